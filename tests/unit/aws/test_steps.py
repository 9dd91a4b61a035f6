"""A step is added once: what is done where an answer was lost, on a clock that only sleeping moves."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from airflow_emrs_ext.aws.ec2 import add_job_flow_steps, list_steps
from airflow_emrs_ext.aws.ownership_tags import TaskIdentity, digested, marked, numbered, owner_tags
from airflow_emrs_ext.aws.steps import add_step
from airflow_emrs_ext.core.owner_names import LONGEST_MARK, has_token, marked_name, name_in, tags_in
from airflow_emrs_ext.exceptions import (
    AccessDenied,
    RequestConflict,
    RequestRejected,
    ServiceUnavailable,
    WaitTimeout,
)
from airflow_emrs_ext.resources import STEP
from tests.unit.stepping import Stepper, client_error

MOMENT = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
TOKEN = "0123456789abcdef" * 2
IDENTITY = TaskIdentity("etl", "a run", "load", -1, "production")
JOB: dict[str, Any] = {
    "sparkSubmit": {
        "entryPoint": "s3://b/j.py",
        "entryPointArguments": ["a b"],
        "sparkSubmitParameters": "--conf 'a.b=c d'",
    }
}
LOST = ConnectionClosedError(endpoint_url="https://emr")
ADDED = {"StepIds": ["s-NEW"]}
NOTHING = {"Steps": []}


def request(job_driver: Any = None, **members: Any) -> dict[str, Any]:
    given = {"cluster_id": "j-1", "name": "etl.load", "tags": digested(IDENTITY.tags), "ActionOnFailure": "CONTINUE"}
    return numbered(marked({**given, "job_driver": job_driver or JOB, **members}), 3)


def entry(name: str, step_id: str = "s-OLD") -> dict[str, Any]:
    status = {"State": "RUNNING", "Timeline": {"CreationDateTime": MOMENT}}
    return {"Id": step_id, "Name": name, "Status": status}


def listed(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"Steps": list(entries)}


def own_entry(step_id: str = "s-OLD", **members: Any) -> dict[str, Any]:
    given = request(**members)
    return entry(marked_name(given["name"], given["tags"], TOKEN), step_id)


def add(stepper: Stepper, given: dict[str, Any] | None = None, **patience: Any) -> dict[str, Any]:
    whole = request() if given is None else given
    return stepper.run(lambda ctx: add_step(ctx, client_request_token=TOKEN, **whole), **patience)


def operations(stepper: Stepper) -> list[str]:
    return [call.operation for call in stepper.calls]


def test_a_name_says_whose_it_is_and_no_more() -> None:
    tags = request()["tags"]
    name = marked_name("etl.load", tags, TOKEN)
    assert name.startswith("etl.load [emrs-ext ")
    assert (name_in(name), tags_in(name), has_token(name, TOKEN)) == ("etl.load", tags, True)
    assert not has_token(name, TOKEN[::-1])
    assert owner_tags(tags) == digested(IDENTITY.tags)
    for other in ("etl.load", "", "[emrs-ext a.b.c.d.e]", f"{name} (copy)"):
        assert (name_in(other), tags_in(other), has_token(other, TOKEN)) == (other, {}, False)
    assert len(marked_name(STEP.name_of("x" * 300), {**tags, "airflow-emrs-ext:generation": "123456"}, TOKEN)) == 256
    assert len(name) - len("etl.load") <= LONGEST_MARK
    others = [{"run_id": "b"}, {"task_id": "u"}, {"map_index": 0}, {"deployment": "staging"}]
    parts = {"dag_id": "etl", "run_id": "a run", "task_id": "load", "map_index": -1, "deployment": "production"}
    owners = [digested(TaskIdentity(**{**parts, **other}).tags) for other in [{}, *others]]  # type: ignore[arg-type]
    assert len({one["airflow-emrs-ext:owner"] for one in owners}) == 5
    assert len({one["airflow-emrs-ext:deployment"] for one in owners}) == 2


def test_a_step_that_is_not_there_is_added() -> None:
    stepper = Stepper([listed(entry("of another")), ADDED])
    added = add(stepper, request(execution_role_arn="role"))
    assert (added["ClusterId"], added["StepId"]) == ("j-1", "s-NEW")
    _, call = stepper.calls
    (step,) = call.parameters["Steps"]
    assert (call.parameters["JobFlowId"], call.parameters["ExecutionRoleArn"]) == ("j-1", "role")
    assert step["ActionOnFailure"] == "CONTINUE"
    assert step["HadoopJarStep"]["Jar"] == "command-runner.jar"
    assert step["HadoopJarStep"]["Args"] == ["spark-submit", "--conf", "a.b=c d", "s3://b/j.py", "a b"]
    assert tags_in(step["Name"]) == request(execution_role_arn="role")["tags"]


def test_a_step_that_is_there_is_found_on_whatever_page_and_the_first_of_its_name_counts() -> None:
    pages = [{**listed(own_entry("s-CLONE")), "Marker": "more"}, listed(own_entry("s-OLD"))]
    stepper = Stepper([*pages, {"Step": own_entry(), "ResponseMetadata": {"HTTPHeaders": {"date": "today"}}}])
    found = add(stepper)
    assert (found["StepId"], found["ResponseMetadata"]["HTTPHeaders"]["date"]) == ("s-OLD", "today")
    assert operations(stepper) == ["list_steps", "list_steps", "describe_step"]


def test_one_with_other_parameters_is_a_conflict() -> None:
    stepper = Stepper([listed(own_entry(hadoop_jar_step={"Jar": "another.jar"}))])
    with pytest.raises(RequestConflict) as conflict:
        add(stepper)
    assert conflict.value.facts == {"cluster_id": "j-1", "step_id": "s-OLD"}
    assert operations(stepper) == ["list_steps"]


@pytest.mark.parametrize(
    "lost",
    [
        LOST,
        ReadTimeoutError(endpoint_url="https://emr"),
        client_error("InternalServerError", status=500),
        client_error("InternalServerError", status=400),
        client_error("ValidationException", status=503),
        client_error("NobodyKnows"),
        {},
        {"StepIds": []},
        {"StepIds": ["s-1", "s-2"]},
        {"StepIds": None},
    ],
    ids=str,
)
def test_after_a_lost_answer_the_step_is_looked_for_until_it_is_there(
    lost: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    throttled = client_error("ThrottlingException", status=400)
    stepper = Stepper([NOTHING, lost, NOTHING, throttled, LOST, NOTHING, listed(own_entry()), {"Step": own_entry()}])
    assert add(stepper)["StepId"] == "s-OLD"
    assert operations(stepper).count("add_job_flow_steps") == 1
    assert "is not known" in caplog.text
    assert "j-1" in caplog.text


def test_nothing_is_added_again_before_aws_would_refuse_what_was_sent() -> None:
    adds: list[float] = []
    stepper = Stepper([])

    def answers() -> Any:
        while True:
            call = stepper.calls[-1]
            if call.operation == "list_steps":
                yield NOTHING
            else:
                adds.append(stepper.now)
                yield LOST if len(adds) == 1 else ADDED

    stepper.answers = answers()
    assert add(stepper)["StepId"] == "s-NEW"
    first, second = adds
    assert 360 <= second - first <= 420
    assert len(stepper.calls) < 40


@pytest.mark.parametrize(
    "failure",
    [
        client_error("ThrottlingException"),
        client_error("AccessDeniedException", "no"),
        EndpointConnectionError(endpoint_url="https://emr", error=OSError("no route")),
    ],
    ids=str,
)
def test_what_certainly_had_no_effect_is_repeated_at_once(failure: Exception) -> None:
    stepper = Stepper([NOTHING, failure, failure, ADDED])
    assert add(stepper)["StepId"] == "s-NEW"
    assert sum(stepper.sleeps) < 5


def test_what_the_service_refuses_is_refused() -> None:
    stepper = Stepper([NOTHING, client_error("ValidationException", "Specified job flow ID does not exist.")])
    with pytest.raises(RequestRejected) as refused:
        add(stepper)
    assert refused.value.facts["cluster_id"] == "j-1"


def test_a_listing_that_cannot_be_read_is_waited_for_however_long() -> None:
    """Also past the patience of any other call."""
    denied = client_error("AccessDeniedException", "no")
    stepper = Stepper([NOTHING, LOST, *[denied] * 500, *[LOST] * 500, listed(own_entry()), {"Step": own_entry()}])
    assert add(stepper, call_patience=1800, access_patience=600)["StepId"] == "s-OLD"
    assert stepper.now > 1000 + 6000
    assert operations(stepper).count("add_job_flow_steps") == 1


@pytest.mark.parametrize("listing", [NOTHING, client_error("AccessDeniedException", "no")], ids=str)
def test_only_the_deadline_ends_that_and_the_error_says_what_is_not_known(listing: Any) -> None:
    stepper = Stepper([NOTHING, LOST, *[listing] * 100])
    with pytest.raises(WaitTimeout) as late:
        add(stepper, deadline=1100)
    assert stepper.now == 1100
    assert "Whether the step was added is not known" in late.value.message
    assert late.value.facts["cluster_id"] == "j-1"
    assert "etl.load [emrs-ext " in late.value.message
    assert operations(stepper).count("add_job_flow_steps") == 1


def test_a_refused_listing_adds_nothing_again() -> None:
    gone = client_error("InvalidRequestException", "Cluster id 'j-1' is not valid.")
    stepper = Stepper([NOTHING, LOST, gone])
    with pytest.raises(RequestRejected, match="Whether the step was added is not known"):
        add(stepper)


@pytest.mark.parametrize(("failure", "error"), [(LOST, ServiceUnavailable), (client_error("Throttling"), None)])
def test_the_operation_alone_is_not_repeated_where_it_may_have_had_its_effect(
    failure: Exception, error: type[Exception] | None
) -> None:
    steps = [{"Name": "one", "HadoopJarStep": {"Jar": "a.jar"}}]
    stepper = Stepper([failure, ADDED])

    def run() -> Any:
        return stepper.run(lambda ctx: add_job_flow_steps(ctx, cluster_id="j-1", steps=steps))

    if error is None:
        assert run() == ADDED
    else:
        with pytest.raises(error, match="list_steps tells"):
            run()
        assert len(stepper.calls) == 1


def test_a_listing_has_what_listings_of_others_have() -> None:
    stepper = Stepper([listed(entry("one"), {"Id": "s-2"})])
    one, other = stepper.run(lambda ctx: list_steps(ctx, "j-1"))
    assert (one["State"], one["CreatedAt"], STEP.ids_of(one)) == (
        "RUNNING",
        MOMENT,
        {"cluster_id": "j-1", "step_id": "s-OLD"},
    )
    assert "State" not in other
    (found,) = Stepper([listed(entry("one"))]).run(lambda ctx: list_steps(ctx, "j-1", created_at_after=MOMENT))
    assert found["Name"] == "one"


@pytest.mark.parametrize(
    ("told", "raises"),
    [
        ([{"StepId": "s-OLD", "Status": "SUBMITTED"}], None),
        ([{"StepId": "s-OLD", "Status": "FAILED", "Reason": "It runs"}], RequestRejected),
        ([{"StepId": "s-OLD", "Status": "PERHAPS"}], ValueError),
        ([{"StepId": "s-2", "Status": "SUBMITTED"}], ValueError),
        ([], ValueError),
    ],
)
def test_the_answer_to_a_cancellation(told: Any, raises: Any) -> None:
    ids = {"cluster_id": "j-1", "step_id": "s-OLD"}
    check = partial(STEP.check_end, ids, {"CancelStepsInfoList": told})
    if raises is None:
        check()
        return
    with pytest.raises(raises) as error:
        check()
    if raises is RequestRejected:
        assert "It runs" in str(error.value)
        assert "s-OLD" in str(error.value)


def test_denied_access_before_anything_was_sent_is_said() -> None:
    stepper = Stepper([client_error("AccessDeniedException", "no")] * 100)
    with pytest.raises(AccessDenied):
        add(stepper, access_patience=10)
