"""The page of a step of a cluster of EMR on EC2, against the local endpoint."""

from __future__ import annotations

import pytest

from airflow_emrs_ext.aws.ownership_tags import digested, owner_tags
from airflow_emrs_ext.core.owner_names import GENERATION, REQUEST, marked_name
from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from airflow_emrs_ext.plugin.run_view import run_view
from airflow_emrs_ext.plugin.views import RunView, view_of
from airflow_emrs_ext.plugin.views.base import LinkUnavailable
from tests.polling import eventually
from tests.unit.plugin.started import TAGS, recorded

pytestmark = pytest.mark.airflow

_DIGESTS = {**digested(owner_tags(TAGS)), REQUEST: "c1a5be9027d3f468", GENERATION: "0"}
OWN = marked_name("etl.load", _DIGESTS, "77e1c0ffee128a3d")
OF_ANOTHER = "etl.load [emrs-ext 3f0c9b1a7d52e846.9b2d41f0.c1a5be9027d3f468.0.77e1c0ffee128a3d]"


def step(emr: LocalEmr, name: str, state: str) -> RunView:
    """The page's view of a step that has got so far."""
    client = emr.client("emr")
    cluster_id = client.run_job_flow(
        Name="mine",
        ReleaseLabel="emr-7.9.0",
        LogUri="s3://logs/emr/",
        Instances={"KeepJobFlowAliveWhenNoSteps": True},
    )["JobFlowId"]
    what = {"Jar": "command-runner.jar", "Args": ["spark-submit", "s3://bucket/job.py"]}
    added = [{"Name": name, "ActionOnFailure": "CONTINUE", "HadoopJarStep": what}]
    (step_id,) = client.add_job_flow_steps(JobFlowId=cluster_id, Steps=added)["StepIds"]
    eventually(lambda: emr.steps()[0]["Status"]["State"] == state)
    return view_of(recorded("step", cluster_id=cluster_id, step_id=step_id))


@pytest.mark.parametrize(("succeeds", "state"), [(True, "COMPLETED"), (False, "FAILED")])
def test_a_step_that_is_over(emr: LocalEmr, succeeds: bool, state: str) -> None:
    emr.script([ScriptedAttempt(succeeded=succeeds, details="" if succeeds else "boom <b>")])
    view = step(emr, OWN, state)

    html = run_view(view, [], str)

    for text in ("etl.load", state, *view.ids.values()):
        assert text in html
    assert "[emrs-ext" not in html
    assert ("boom &lt;b&gt;" in html) is not succeeds


def test_a_step_of_another_task_is_not_shown(emr: LocalEmr) -> None:
    view = step(emr, OF_ANOTHER, "COMPLETED")

    with pytest.raises(LinkUnavailable, match="Not shown to be this task's"):
        run_view(view, [], str)
