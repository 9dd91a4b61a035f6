"""Steps of clusters on the simulated runner: states, order, what their failure leads to, cancellation, listings."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import ScriptedAttempt
from tests.endpoint.local.services.emr_on_ec2.lab import ROLE, Ec2, a_step, refused
from tests.polling import eventually

VALIDATION = "ValidationException"
FAILS = ScriptedAttempt(succeeded=False, details="ValueError: no rows")
HELD = ScriptedAttempt(hold=True)


def _path(*states: str) -> list[str]:
    return ["PENDING", "RUNNING", *states]


def test_from_its_place_in_the_line_to_its_end(ec2: Ec2) -> None:
    ec2.emr.script([ScriptedAttempt(stdout="hello\n", stderr="a warning\n")], name="mine")
    ec2.emr.client("s3").create_bucket(Bucket="logs")
    cluster_id = ec2.cluster(LogUri="s3://logs/emr/")
    jar_step = {
        "Jar": "command-runner.jar",
        "Args": ["spark-submit", "--deploy-mode", "cluster", "--conf", "a=b c", "s3://code/job.py", "--date", "x"],
        "Properties": [{"Key": "p", "Value": "v"}],
    }
    (ids,) = ec2.add(cluster_id, {"Name": "mine", "HadoopJarStep": jar_step}, ExecutionRoleArn=ROLE)
    step = ec2.step_reached(ids, "COMPLETED")
    assert (step["Id"], step["Name"], step["ExecutionRoleArn"]) == (ids["StepId"], "mine", ROLE)
    assert step["Config"] == {"Jar": "command-runner.jar", "Properties": {"p": "v"}, "Args": jar_step["Args"]}
    assert step["ActionOnFailure"] == "TERMINATE_CLUSTER"
    assert step["Status"]["StateChangeReason"] == {}
    timeline = step["Status"]["Timeline"]
    assert timeline["CreationDateTime"] < timeline["StartDateTime"] < timeline["EndDateTime"]
    assert ec2.step_path(ids) == _path("COMPLETED")
    record = ec2.step_record(ids)
    assert record["logPath"] == f"{cluster_id}/steps"
    assert record["jobDriver"] == {
        "spark-submit": {
            "entryPoint": "s3://code/job.py",
            "entryPointArguments": ["--date", "x"],
            "sparkSubmitParameters": "--deploy-mode cluster --conf 'a=b c'",
        }
    }
    ec2.cluster_reached(cluster_id, "WAITING")
    assert ec2.cluster_path(cluster_id)[-3:] == ["WAITING", "RUNNING", "WAITING"]

    def log(name: str) -> str:
        key = f"emr/{cluster_id}/steps/{ids['StepId']}/{name}.gz"
        return gzip.decompress(ec2.emr.client("s3").get_object(Bucket="logs", Key=key)["Body"].read()).decode()

    assert (log("stdout"), log("stderr")) == ("hello\n", "a warning\n")
    assert "startExec 'hadoop jar command-runner.jar spark-submit --deploy-mode cluster" in log("controller")
    assert "INFO Step succeeded with exitCode 0" in log("controller")


def test_logs_of_its_own(ec2: Ec2) -> None:
    if "StepMonitoringConfiguration" not in ec2.client.meta.service_model.shape_for("StepConfig").members:
        pytest.skip("this boto3 does not know the parameter")
    ec2.emr.client("s3").create_bucket(Bucket="own")
    cluster_id = ec2.cluster(LogUri="s3://logs")
    monitoring = {"S3MonitoringConfiguration": {"LogUri": "s3://own/logs"}}
    (ids,) = ec2.add(cluster_id, a_step(StepMonitoringConfiguration=monitoring))
    assert ec2.step_reached(ids, "COMPLETED")["LogUri"] == "s3://own/logs"
    listed = ec2.emr.client("s3").list_objects_v2(Bucket="own")["Contents"]
    folder = f"logs/{cluster_id}/steps/{ids['StepId']}"
    assert [one["Key"] for one in listed] == [f"{folder}/{name}.gz" for name in ("controller", "stderr", "stdout")]


def test_one_after_the_other(ec2: Ec2, cluster_id: str) -> None:
    ec2.emr.script([HELD])
    steps = ec2.add(cluster_id, *(a_step(f"n{n}") for n in range(3)))
    steps += ec2.add(cluster_id, a_step("n3"))
    for place, ids in enumerate(steps):
        ec2.step_reached(ids, "RUNNING")
        assert ec2.step_states(*steps[place:]) == ["RUNNING", *["PENDING"] * (3 - place)]
        assert ec2.cluster_view(cluster_id)["Status"]["State"] == "RUNNING"
        ec2.emr.finish(ids["StepId"])
    ec2.step_reached(steps[-1], "COMPLETED")
    ec2.cluster_reached(cluster_id, "WAITING")


def test_several_at_once(ec2: Ec2) -> None:
    ec2.emr.script([HELD])
    cluster_id = ec2.cluster(StepConcurrencyLevel=2)
    assert ec2.cluster_view(cluster_id)["StepConcurrencyLevel"] == 2
    steps = ec2.add(cluster_id, *(a_step() for _ in range(4)))
    for ids in steps[:2]:
        ec2.step_reached(ids, "RUNNING")
    assert ec2.step_states(*steps) == ["RUNNING", "RUNNING", "PENDING", "PENDING"]
    changed = ec2.client.modify_cluster(ClusterId=cluster_id, StepConcurrencyLevel=3)
    assert changed["StepConcurrencyLevel"] == 3
    ec2.step_reached(steps[2], "RUNNING")
    assert ec2.step_states(steps[3]) == ["PENDING"]
    for call in (lambda: ec2.make(StepConcurrencyLevel=257), lambda: ec2.make(StepConcurrencyLevel=0)):
        with refused(VALIDATION, "StepConcurrencyLevel: must be from 1 to 256"):
            call()
    with refused(match="StepConcurrencyLevel: must be from 1 to 256"):
        ec2.client.modify_cluster(ClusterId=cluster_id, StepConcurrencyLevel=1000)
    for action in ("CANCEL_AND_WAIT", "TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW"):
        with refused(VALIDATION, f"ActionOnFailure: {action} is not valid"):
            ec2.add(cluster_id, a_step(ActionOnFailure=action))


def test_steps_of_a_cluster_that_is_made_with_them_wait_for_it(ec2: Ec2) -> None:
    ec2.emr.configure(application_start_seconds=0.2)
    cluster_id = ec2.make(Steps=[a_step("one"), a_step("two")], Instances={})
    (more,) = ec2.add(cluster_id, a_step("three"))
    assert ec2.step_states(more) == ["PENDING"]
    status = ec2.cluster_reached(cluster_id, "TERMINATED")["Status"]
    assert status["StateChangeReason"] == {"Code": "ALL_STEPS_COMPLETED", "Message": "Steps completed"}
    assert [(step["Name"], step["Status"]["State"]) for step in ec2.emr.steps(cluster_id)] == [
        ("one", "COMPLETED"),
        ("two", "COMPLETED"),
        ("three", "COMPLETED"),
    ]
    assert "WAITING" not in ec2.cluster_path(cluster_id)
    with refused(VALIDATION, "terminated, or finished may not be modified"):
        ec2.add(cluster_id, a_step())


def test_a_failure_says_why(ec2: Ec2) -> None:
    ec2.emr.script([FAILS])
    cluster_id = ec2.cluster(LogUri="s3n://logs")
    (ids,) = ec2.add(cluster_id, a_step())
    status = ec2.step_reached(ids, "FAILED")["Status"]
    assert status["FailureDetails"] == {
        "Reason": "Unknown Error.",
        "Message": "ValueError: no rows",
        "LogFile": f"s3://logs/{cluster_id}/steps/{ids['StepId']}/stderr.gz",
    }
    assert status["StateChangeReason"] == {}


def test_after_a_failure_the_next_one_runs(ec2: Ec2) -> None:
    ec2.emr.script([FAILS], name="bad")
    cluster_id = ec2.make(Steps=[a_step("bad"), a_step("good")], Instances={})
    status = ec2.cluster_reached(cluster_id, "TERMINATED")["Status"]
    assert status["StateChangeReason"] == {"Code": "STEP_FAILURE", "Message": "Steps completed with errors"}
    assert [step["Status"]["State"] for step in ec2.emr.steps(cluster_id)] == ["FAILED", "COMPLETED"]


def test_a_failure_cancels_those_behind(ec2: Ec2, cluster_id: str) -> None:
    ec2.emr.script([FAILS], name="bad")
    bad, *behind = ec2.add(cluster_id, a_step("bad", ActionOnFailure="CANCEL_AND_WAIT"), a_step(), a_step())
    ec2.step_reached(bad, "FAILED")
    for ids in behind:
        assert bad["StepId"] in ec2.step_reached(ids, "CANCELLED")["Status"]["StateChangeReason"]["Message"]
        assert ec2.step_path(ids) == ["PENDING", "CANCELLED"]
    ec2.cluster_reached(cluster_id, "WAITING")
    (later,) = ec2.add(cluster_id, a_step())
    ec2.step_reached(later, "COMPLETED")


@pytest.mark.parametrize("action", ["TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW", None])
def test_a_failure_terminates_the_cluster(action: str | None, ec2: Ec2, cluster_id: str) -> None:
    ec2.emr.script([FAILS], name="bad")
    given = a_step("bad", ActionOnFailure=action)
    bad, behind = ec2.add(cluster_id, {name: value for name, value in given.items() if value}, a_step())
    status = ec2.cluster_reached(cluster_id, "TERMINATED_WITH_ERRORS")["Status"]
    assert status["StateChangeReason"] == {"Code": "STEP_FAILURE", "Message": "Shut down as step failed"}
    assert ec2.step_states(bad, behind) == ["FAILED", "CANCELLED"]


def test_termination_protection_holds_against_failures(ec2: Ec2, cluster_id: str) -> None:
    ec2.emr.script([FAILS], name="bad")
    ec2.client.set_termination_protection(JobFlowIds=[cluster_id], TerminationProtected=True)
    bad, behind = ec2.add(cluster_id, a_step("bad", ActionOnFailure="TERMINATE_CLUSTER"), a_step())
    ec2.step_reached(behind, "CANCELLED")
    ec2.cluster_reached(cluster_id, "WAITING")
    assert ec2.step_states(bad) == ["FAILED"]


def test_a_concurrency_that_was_raised_meanwhile_leaves_the_others_alone(ec2: Ec2, cluster_id: str) -> None:
    ec2.emr.script([HELD])
    bad, other = ec2.add(cluster_id, a_step("bad", ActionOnFailure="TERMINATE_CLUSTER"), a_step())
    ec2.step_reached(bad, "RUNNING")
    ec2.client.modify_cluster(ClusterId=cluster_id, StepConcurrencyLevel=2)
    ec2.step_reached(other, "RUNNING")
    ec2.emr.finish(bad["StepId"], succeeded=False)
    ec2.step_reached(bad, "FAILED")
    ec2.emr.finish(other["StepId"])
    ec2.step_reached(other, "COMPLETED")
    ec2.cluster_reached(cluster_id, "WAITING")


def test_cancelling(ec2: Ec2, cluster_id: str) -> None:
    ec2.emr.script([HELD])
    running, pending, last = ec2.add(cluster_id, *(a_step(ActionOnFailure="TERMINATE_CLUSTER") for _ in range(3)))
    ec2.step_reached(running, "RUNNING")
    step_ids = [running["StepId"], pending["StepId"], "s-NONE"]
    for expected in (["SUBMITTED", "SUBMITTED", "FAILED"], ["FAILED", "FAILED", "FAILED"]):
        answers = ec2.client.cancel_steps(ClusterId=cluster_id, StepIds=step_ids)["CancelStepsInfoList"]
        assert [answer["StepId"] for answer in answers] == step_ids
        assert [answer["Status"] for answer in answers] == expected
        assert ["Reason" in answer for answer in answers] == [status == "FAILED" for status in expected]
        ec2.step_reached(running, "CANCELLED")
    assert ec2.step_path(running) == _path("CANCEL_PENDING", "CANCELLED")
    assert ec2.step_path(pending) == ["PENDING", "CANCELLED"]
    assert "CancelSteps" in ec2.step(running)["Status"]["StateChangeReason"]["Message"]
    ec2.step_reached(last, "RUNNING")
    with refused(match="not have more than 256"):
        ec2.client.cancel_steps(ClusterId=cluster_id, StepIds=["s-1"] * 257)


def test_an_interrupt_waits_and_a_kill_does_not(ec2: Ec2, cluster_id: str) -> None:
    ec2.emr.script([ScriptedAttempt(hold=True, stops_after=600)])
    (ids,) = ec2.add(cluster_id, a_step())
    ec2.step_reached(ids, "RUNNING")

    def cancel(**option: str) -> str:
        answers = ec2.client.cancel_steps(ClusterId=cluster_id, StepIds=[ids["StepId"]], **option)
        return str(answers["CancelStepsInfoList"][0]["Status"])

    assert [cancel(), cancel(StepCancellationOption="SEND_INTERRUPT")] == ["SUBMITTED"] * 2
    assert ec2.step_states(ids) == ["CANCEL_PENDING"]
    assert cancel(StepCancellationOption="TERMINATE_PROCESS") == "SUBMITTED"
    ec2.step_reached(ids, "CANCELLED")


def test_before_5_28_a_step_that_runs_cannot_be_cancelled(ec2: Ec2) -> None:
    ec2.emr.script([HELD])
    cluster_id = ec2.cluster(ReleaseLabel="emr-5.27.0", SessionEnabled=None)
    running, pending = ec2.add(cluster_id, a_step(), a_step())
    ec2.step_reached(running, "RUNNING")
    answers = ec2.client.cancel_steps(ClusterId=cluster_id, StepIds=[running["StepId"], pending["StepId"]])
    assert [answer["Status"] for answer in answers["CancelStepsInfoList"]] == ["FAILED", "SUBMITTED"]
    with refused(match="from release emr-5.28.0"):
        ec2.client.modify_cluster(ClusterId=cluster_id, StepConcurrencyLevel=2)


def test_the_end_of_the_cluster_is_the_end_of_its_steps(ec2: Ec2, cluster_id: str) -> None:
    ec2.emr.script([HELD])
    running, pending = ec2.add(cluster_id, a_step(), a_step())
    ec2.step_reached(running, "RUNNING")
    ec2.client.terminate_job_flows(JobFlowIds=[cluster_id])
    assert ec2.cluster_reached(cluster_id, "TERMINATED")["Status"]["StateChangeReason"]["Code"] == "USER_REQUEST"
    assert ec2.step_states(running, pending) == ["INTERRUPTED", "CANCELLED"]
    with refused(VALIDATION, "may not be modified"):
        ec2.add(cluster_id, a_step())
    with refused(match="may not be modified"):
        ec2.client.modify_cluster(ClusterId=cluster_id, StepConcurrencyLevel=2)


def test_at_most_256_are_active(ec2: Ec2, cluster_id: str) -> None:
    ec2.emr.script([HELD])
    steps = ec2.add(cluster_id, *(a_step() for _ in range(256)))
    ec2.step_reached(steps[0], "RUNNING")
    with refused(VALIDATION, "Maximum number of active steps"):
        ec2.add(cluster_id, a_step())
    ec2.emr.finish(steps[0]["StepId"])
    ec2.step_reached(steps[0], "COMPLETED")
    ec2.add(cluster_id, a_step())
    with refused(VALIDATION, "Maximum number of active steps"):
        ec2.make(Steps=[a_step() for _ in range(257)])


def test_listing(ec2: Ec2, cluster_id: str) -> None:
    ec2.emr.script([HELD])
    steps = [ids["StepId"] for ids in ec2.add(cluster_id, *(a_step(f"n{n}") for n in range(60)))]
    eventually(lambda: ec2.emr.steps(cluster_id)[0]["Status"]["State"] == "RUNNING")

    def listed(**filters: Any) -> list[str]:
        pages = ec2.client.get_paginator("list_steps").paginate(ClusterId=cluster_id, **filters)
        return [step["Id"] for page in pages for step in page["Steps"]]

    first = ec2.client.list_steps(ClusterId=cluster_id)
    assert (len(first["Steps"]), "ExecutionRoleArn" in first["Steps"][0]) == (50, False)
    assert listed() == steps[::-1]
    assert listed(StepStates=["RUNNING"]) == steps[:1]
    assert listed(StepStates=["PENDING"]) == steps[:0:-1]
    assert listed(StepIds=[steps[3], steps[1], steps[3]]) == [steps[3], steps[1], steps[3]]
    for filters, expected in (
        ({"StepIds": ["s-NONE"]}, "Step id 's-NONE' is not valid"),
        ({"StepIds": steps[:11]}, "not have more than 10"),
        ({"StepIds": steps[:1], "StepStates": ["RUNNING"]}, "Cannot specify both"),
        ({"Marker": "nothing"}, "Marker"),
    ):
        with refused(match=expected):
            ec2.client.list_steps(ClusterId=cluster_id, **filters)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"HadoopJarStep": {"Jar": "s3://code/mine.jar"}}, "Jar: the local endpoint does not run 's3://code/mine.jar'"),
        ({"HadoopJarStep": {"Jar": "command-runner.jar"}}, "Args: the local endpoint does not run 'nothing'"),
        (
            {"HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["hive-script", "--run"]}},
            "Args: the local endpoint does not run 'hive-script': it runs command-runner.jar",
        ),
        (
            {"HadoopJarStep": {"Jar": "command-runner.jar", "MainClass": "a.B", "Args": ["spark-submit", "a.py"]}},
            "without a MainClass",
        ),
        (
            {"HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["spark-submit", "--conf", "a=b"]}},
            "Steps.2.HadoopJarStep.Args: spark-submit needs the Python file or jar",
        ),
        ({"HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["spark-sql"]}}, "spark-sql needs -f or -e"),
        (
            {
                "HadoopJarStep": {
                    "Jar": "command-runner.jar",
                    "Args": ["spark-submit", "--executor-memory", "much", "a.py"],
                }
            },
            "spark.executor.memory: 'much' is no size",
        ),
        (a_step("big", *["x" * 1000] * 11), "more than 10240 characters"),
        ({"Name": "x" * 257}, "length less than or equal to 256"),
        ({"ActionOnFailure": "NOTHING"}, "ActionOnFailure"),
    ],
)
def test_refused_requests(params: dict[str, Any], expected: str, ec2: Ec2, cluster_id: str) -> None:
    with refused(VALIDATION, expected):
        ec2.add(cluster_id, a_step(), {**a_step(), **params})
    with refused(VALIDATION, expected):
        ec2.make(Steps=[a_step(), {**a_step(), **params}])
    assert (ec2.emr.steps(), len(ec2.emr.clusters())) == ([], 1)


def test_unknown_ones(ec2: Ec2, cluster_id: str) -> None:
    other = ec2.cluster()
    (ids,) = ec2.add(other, a_step())
    for step_id in ("s-NONE", ids["StepId"]):
        with refused(match=f"Step id '{step_id}' is not valid"):
            ec2.client.describe_step(ClusterId=cluster_id, StepId=step_id)
    for call, params in (
        (ec2.client.describe_step, {"ClusterId": "j-NOTHERE", "StepId": "s-1"}),
        (ec2.client.list_steps, {"ClusterId": "j-NOTHERE"}),
        (ec2.client.cancel_steps, {"ClusterId": "j-NOTHERE", "StepIds": ["s-1"]}),
        (ec2.client.modify_cluster, {"ClusterId": "j-NOTHERE", "StepConcurrencyLevel": 2}),
    ):
        with refused(match="j-NOTHERE"):
            call(**params)
    with refused(VALIDATION, "j-NOTHERE"):
        ec2.add("j-NOTHERE", a_step())


def test_an_answer_that_is_lost_after_its_effect(ec2: Ec2, cluster_id: str) -> None:
    ec2.emr.inject("AddJobFlowSteps", "drop", application_id=cluster_id)
    with pytest.raises(Exception, match="Connection was closed"):
        ec2.add(cluster_id, a_step("lost"))
    ec2.emr.inject("DescribeStep", "throttle")
    (step,) = ec2.client.list_steps(ClusterId=cluster_id)["Steps"]
    with refused("ThrottlingException"):
        ec2.client.describe_step(ClusterId=cluster_id, StepId=step["Id"])
    assert [call["status"] for call in ec2.emr.calls("AddJobFlowSteps", application_id=cluster_id)] == [None]
    (described,) = ec2.emr.calls("DescribeStep")
    assert described["parameters"] == {"ClusterId": cluster_id, "StepId": step["Id"]}


def test_steps_keep_a_cluster_from_being_idle(ec2: Ec2) -> None:
    ec2.emr.script([HELD])
    cluster_id = ec2.cluster(AutoTerminationPolicy={"IdleTimeout": 60})
    (ids,) = ec2.add(cluster_id, a_step())
    ec2.step_reached(ids, "RUNNING")
    session = ec2.started(cluster_id)
    ec2.client.terminate_session(**session)
    ec2.reached(session, "TERMINATED")
    ec2.emr.configure(seconds_per_minute=0.02)
    assert ec2.cluster_view(cluster_id)["Status"]["State"] == "RUNNING"
    ec2.emr.finish(ids["StepId"])
    status = ec2.cluster_reached(cluster_id, "TERMINATED")["Status"]
    assert "60 seconds" in status["StateChangeReason"]["Message"]
    assert ec2.step_states(ids) == ["COMPLETED"]


def test_everything_is_forgotten(ec2: Ec2, cluster_id: str) -> None:
    ec2.emr.script([HELD])
    ids, _ = ec2.add(cluster_id, a_step(), a_step())
    ec2.step_reached(ids, "RUNNING")
    ec2.emr.reset()
    assert (ec2.emr.clusters(), ec2.emr.steps()) == ([], [])


def test_callers_need_permission(ec2: Ec2, cluster_id: str, set_policy: Callable[[Any], None]) -> None:
    def statement(*actions: str, **more: Any) -> dict[str, Any]:
        return {"Effect": "Allow", "Action": [f"elasticmapreduce:{one}" for one in actions], "Resource": "*", **more}

    role = {"StringEquals": {"elasticmapreduce:ExecutionRoleArn": ROLE}}
    set_policy([statement("DescribeStep", "ListSteps"), statement("AddJobFlowSteps", Condition=role)])
    with refused("AccessDeniedException", "elasticmapreduce:AddJobFlowSteps on resource: arn:aws:.*cluster/j-"):
        ec2.add(cluster_id, a_step())
    (ids,) = ec2.add(cluster_id, a_step(), ExecutionRoleArn=ROLE)
    assert ec2.step(ids)["ExecutionRoleArn"] == ROLE
    with refused("AccessDeniedException", "elasticmapreduce:CancelSteps"):
        ec2.client.cancel_steps(ClusterId=cluster_id, StepIds=[ids["StepId"]])


@pytest.fixture
def set_policy(ec2: Ec2) -> Callable[[Any], None]:
    def to(statements: list[dict[str, Any]]) -> None:
        document = {"Version": "2012-10-17", "Statement": statements}
        arn = "arn:aws:iam::123456789012:user/airflow"
        ec2.emr.set_callers({"test": {"arn": arn, "policy": json.loads(json.dumps(document))}})

    return to
