"""The policies of docs/guides/permissions.md: each is enough for its operators, and needs each of its actions."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.exceptions import AccessDenied, EmrError
from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.workflows import lifecycle
from tests.endpoint.operators.permissions import SCENES, Place, Scene, start_job_run, succeed
from tests.polling import eventually
from tests.services import CONTAINERS, ROLE

pytestmark = pytest.mark.airflow

PAGE = (Path(__file__).parents[3] / "docs" / "guides" / "permissions.md").read_text()
POLICIES: dict[str, str] = dict(re.findall(r"\(permissions-([a-z-]+)\)=\n.*?```json\n(.*?)```", PAGE, flags=re.DOTALL))
EVERYTHING = {
    "arn": "arn:aws:iam::123456789012:user/admin",
    "policy": {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}},
}
AIRFLOW = "arn:aws:sts::123456789012:assumed-role/airflow/worker"


@pytest.fixture
def place(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__ACCESS_PATIENCE", "0")
    # What nobody waits for is asked to end for a minute.
    monkeypatch.setitem(lifecycle.request_end_best_effort.__kwdefaults__, "seconds", 1.0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "airflow")
    return make_place(emr)


def make_place(emr: LocalEmr) -> Place:
    """What operators work on, at an endpoint that is empty."""
    created = emr.client("emr-serverless").create_application(
        type="SPARK", releaseLabel="emr-7.13.0", interactiveConfiguration={"sessionEnabled": True}
    )
    eventually(lambda: emr.applications()[0]["state"] == "CREATED")
    return Place(emr, created["applicationId"], CONTAINERS.make_place(emr, "s3://logs/"))


def policy_of(section: str, place: Place) -> dict[str, Any]:
    text = POLICIES[section].replace("APPLICATION", place.application_id).replace("CLUSTER", place.cluster_id)
    return dict(json.loads(text))


def actions_of(statement: Mapping[str, Any]) -> list[str]:
    return [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]


def allow(place: Place, *policies: Mapping[str, Any], without: str = "") -> None:
    """Let Airflow do what policies allow, but for one action."""
    less = [
        {**policy, "Statement": [statement]}
        for policy in policies
        for one in policy["Statement"]
        if (statement := {**one, "Action": [action for action in actions_of(one) if action != without]})["Action"]
    ]
    place.emr.set_callers({"test": EVERYTHING, "airflow": {"arn": AIRFLOW, "policy": less}})


Said = Callable[[], str]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Said:
    """What was logged until now, by whichever way this Airflow logs."""
    caplog.set_level("INFO")
    return lambda: caplog.text + capsys.readouterr().out


def cell(scene: Scene, *action: str) -> Any:
    # A sweep of Airflow 2 asks its database; the example DAG's test covers it.
    marks = [pytest.mark.skipif(not AIRFLOW_3, reason="needs a database")] if "sweep" in scene.section else []
    return pytest.param(scene, *action, id="-".join((scene.section, scene.name, *action)), marks=marks)


def cells(names: Callable[[Scene], str]) -> Any:
    return pytest.mark.parametrize(
        ("scene", "action"), [cell(scene, action) for scene in SCENES for action in scene.actions(names(scene))]
    )


@pytest.mark.parametrize("scene", [cell(scene) for scene in SCENES])
def test_a_documented_policy_is_enough(place: Place, said: Said, scene: Scene) -> None:
    allow(place, policy_of(scene.section, place))
    scene.play(place)
    assert "AccessDenied" not in said()


@cells(lambda scene: scene.needs)
def test_without_one_of_its_actions_a_task_fails(place: Place, scene: Scene, action: str) -> None:
    allow(place, policy_of(scene.section, place), without=action)
    refused = f"AccessDeniedException: User: {AIRFLOW} is not authorized to perform: {action} on resource"
    with pytest.raises(AccessDenied, match=refused):
        scene.play(place)


@cells(lambda scene: scene.misses)
def test_without_one_of_its_actions_a_task_says_what_it_leaves_out(
    place: Place, said: Said, scene: Scene, action: str
) -> None:
    allow(place, policy_of(scene.section, place), without=action)
    with contextlib.suppress(AssertionError, EmrError):
        scene.play(place)
    assert f"not authorized to perform: {action} on resource" in said()


@pytest.mark.parametrize("section", POLICIES)
def test_a_documented_policy_has_no_other_actions(section: str, place: Place) -> None:
    played = [scene for scene in SCENES if scene.section == section]
    assert {action for one in policy_of(section, place)["Statement"] for action in actions_of(one)} == {
        action for scene in played for action in scene.actions(f"{scene.needs} {scene.misses}")
    }


def by_the_guide(*actions: str) -> dict[str, Any]:
    """A policy of the user guide, Identity and Access Management, User access policy examples."""
    statement = {
        "Sid": "EMRServerlessActions",
        "Effect": "Allow",
        "Action": [f"emr-serverless:{action}" for action in actions],
        "Resource": "*",
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


DATA_ENGINEER = by_the_guide(
    "ListApplications",
    "GetApplication",
    "StartApplication",
    "StartJobRun",
    "CancelJobRun",
    "ListJobRuns",
    "GetJobRun",
)
PASS_ROLE = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": ROLE,
            "Condition": {"StringLike": {"iam:PassedToService": "emr-serverless.amazonaws.com"}},
        }
    ],
}


def test_the_guides_policy_for_data_engineers_forbids_default_tags(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(place, DATA_ENGINEER, PASS_ROLE)
    with pytest.raises(AccessDenied) as caught:
        succeed(lambda: start_job_run(place))
    assert "Allow `emr-serverless:TagResource`, or set [emrs_ext] default_tags to False" in str(caught.value)
    assert place.emr.job_runs() == []

    monkeypatch.setenv("AIRFLOW__EMRS_EXT__DEFAULT_TAGS", "False")
    assert succeed(lambda: start_job_run(place))["state"] == "SUCCESS"
    again = succeed(lambda: start_job_run(place), run_id="another", try_number=2, max_tries=2)
    assert again["state"] == "SUCCESS"
    assert place.emr.calls("TagResource") == []
