from __future__ import annotations

import logging
from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    SSLError,
)

from airflow_emrs_ext._compat import AirflowFailException
from airflow_emrs_ext.aws.retry import patiently
from airflow_emrs_ext.aws.waiting import await_state
from airflow_emrs_ext.core.effects import Call
from airflow_emrs_ext.exceptions import (
    AccessDenied,
    JobRunCancelled,
    JobRunFailed,
    RequestRejected,
    ResourceNotFound,
    ServiceUnavailable,
    TargetUnreachable,
    WaitTimeout,
)
from airflow_emrs_ext.resources import JOB_RUN
from airflow_emrs_ext.resources.api_errors import UnreadableAnswer
from airflow_emrs_ext.shared.states import JobRunState
from airflow_emrs_ext.workflows.lifecycle import end, with_timeout
from tests.unit.stepping import Stepper, client_error

IDS = {"application_id": "00fapp", "job_run_id": "00frun"}
CALL = Call("get_job_run", {"applicationId": "00fapp", "jobRunId": "00frun"}, service="emr-serverless")
THROTTLED = client_error("ThrottlingException", "Rate exceeded", 429)


def job_run(state: str, **members: Any) -> dict[str, Any]:
    moment = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
    return {
        "jobRun": {
            "applicationId": "00fapp",
            "jobRunId": "00frun",
            "arn": "arn:aws:emr-serverless:us-east-1:123456789012:/applications/00fapp/jobruns/00frun",
            "createdAt": moment,
            "updatedAt": moment,
            "state": state,
            "stateDetails": "",
            "jobDriver": {"sparkSubmit": {"entryPoint": "s3://bucket/job.py"}},
            **members,
        }
    }


def wait(stepper: Stepper, *targets: JobRunState, **patience: Any) -> Any:
    return stepper.run(lambda ctx: await_state(JOB_RUN, IDS, targets or [JobRunState.SUCCESS], ctx), **patience)


class TestPatiently:
    @pytest.mark.parametrize(
        "passing",
        [
            THROTTLED,
            client_error("TooManyRequestsException", status=400),
            client_error("InternalServerException", status=500),
            client_error("ServiceUnavailable", status=503),
            EndpointConnectionError(endpoint_url="http://gone"),
            ConnectionClosedError(endpoint_url="http://gone"),
            CredentialRetrievalError(provider="sts", error_msg="timed out"),
            NoCredentialsError(),
            SSLError(endpoint_url="https://here", error="self-signed certificate"),
            client_error("AccessDeniedException", status=403),
            client_error("UnrecognizedClientException", status=403),
            client_error("InvalidSignatureException", status=403),
            client_error("ExpiredTokenException", status=403),
            client_error("403", "<html>Forbidden by proxy</html>", 403),
            client_error("404", "<html>Not found</html>", 404),
            client_error("407", "<html>Proxy authentication</html>", 407),
            client_error("302", status=302),
            client_error("SomethingNewException", status=400),
            KeyError("a parser's"),
            ValueError("Invalid timestamp"),
            OSError("connection reset"),
        ],
        ids=lambda error: type(error).__name__ + str(error)[:60],
    )
    def test_a_passing_failure_is_waited_out(self, passing: Exception) -> None:
        stepper = Stepper([passing, passing, {"answer": 1}])
        assert stepper.run(lambda ctx: patiently(CALL, ctx)) == {"answer": 1}
        assert stepper.calls == [CALL] * 3

    @pytest.mark.parametrize("answer", [{}, {"answer": None}, {"answer": "text"}], ids=str)
    def test_an_answer_that_cannot_be_read_is_asked_for_again(self, answer: dict[str, Any]) -> None:
        stepper = Stepper([answer, answer, {"answer": 1}])
        assert stepper.run(lambda ctx: patiently(CALL, ctx, lambda found: found["answer"] + 1)) == 2
        with pytest.raises(ServiceUnavailable, match="cannot be read") as raised:
            Stepper([answer] * 100).run(lambda ctx: patiently(CALL, ctx, lambda found: found["answer"] + 1))
        assert raised.value.facts["code"] == "UnreadableAnswer"

    def test_access_is_refused_for_as_long_as_is_said_and_the_run_is_left_to_the_next_try(self) -> None:
        denied = client_error("AccessDeniedException", "not authorized", 403)
        stepper = Stepper([*[THROTTLED] * 20, *[denied] * 100])
        with pytest.raises(AccessDenied, match=r"not authorized.*access_patience.*left.*00frun.*next try") as raised:
            stepper.run(lambda ctx: patiently(CALL, ctx), access_patience=60)
        throttled = sum(stepper.sleeps[:20])
        assert stepper.now == 1000 + throttled + 60
        assert not isinstance(raised.value, AirflowFailException)
        assert raised.value.facts == {**IDS, "operation": "get_job_run", "code": "AccessDeniedException"}

    def test_access_that_is_given_in_between_counts_anew(self) -> None:
        denied = client_error("AccessDeniedException", "", 403)
        stepper = Stepper([denied, denied, denied, THROTTLED, denied, denied, denied, {"answer": 1}])
        assert stepper.run(lambda ctx: patiently(CALL, ctx), access_patience=40) == {"answer": 1}

    @pytest.mark.parametrize(
        "lost",
        [ConnectionClosedError(endpoint_url="http://gone"), client_error("500", status=500), UnreadableAnswer("html")],
        ids=lambda error: type(error).__name__,
    )
    def test_a_start_that_may_have_had_its_effect_is_repeated_until_it_is_known(self, lost: Exception) -> None:
        start = Call("start_job_run", {"applicationId": "00fapp", "clientToken": "t"}, service="emr-serverless")
        denied = client_error("AccessDeniedException", "", 403)
        stepper = Stepper([lost, *[denied] * 500, {"jobRunId": "00frun"}])
        found = stepper.run(lambda ctx: patiently(start, ctx), call_patience=10, access_patience=10)
        assert found == {"jobRunId": "00frun"}
        with pytest.raises(WaitTimeout):
            Stepper([lost] * 500).run(lambda ctx: patiently(start, ctx), call_patience=10, deadline=4000.0)
        with pytest.raises(ServiceUnavailable):
            Stepper([lost] * 500).run(lambda ctx: patiently(start, with_timeout(ctx, 10)))

    def test_a_start_that_never_reached_the_service_is_repeated_like_any_call(self) -> None:
        start = Call("start_job_run", {"applicationId": "00fapp", "clientToken": "t"}, service="emr-serverless")
        for failure in (EndpointConnectionError(endpoint_url="http://gone"), THROTTLED):
            with pytest.raises(ServiceUnavailable):
                Stepper([failure] * 500).run(lambda ctx: patiently(start, ctx), call_patience=10)

    def test_pauses_grow_and_stay_bounded(self) -> None:
        stepper = Stepper([*[THROTTLED] * 8, {}])
        stepper.run(lambda ctx: patiently(CALL, ctx))
        assert stepper.sleeps == [1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0]

    def test_patience_ends(self) -> None:
        stepper = Stepper([THROTTLED] * 100)
        with pytest.raises(ServiceUnavailable, match=r"get_job_run did not succeed.*Rate exceeded.*patience") as raised:
            stepper.run(lambda ctx: patiently(CALL, ctx), call_patience=30)
        assert stepper.now == 1030
        assert raised.value.facts["code"] == "ThrottlingException"

    def test_the_deadline_ends_it_sooner(self) -> None:
        stepper = Stepper([THROTTLED] * 100)
        with pytest.raises(WaitTimeout, match=r"deadline .* get_job_run .*Rate exceeded.*wait_timeout"):
            stepper.run(lambda ctx: patiently(CALL, ctx), call_patience=1800, deadline=1005)
        assert stepper.now == 1005

    def test_it_waits_for_its_turn(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")
        stepper = Stepper([{"answer": 1}], turns=[70.0])
        assert stepper.run(lambda ctx: patiently(CALL, ctx)) == {"answer": 1}
        assert stepper.sleeps == [70.0]
        assert [record.args for record in caplog.records] == [("get_job_run", 70.0)]

    @pytest.mark.parametrize(
        ("patience", "raised"),
        [({"deadline": 1050}, WaitTimeout), ({"call_patience": 50}, ServiceUnavailable)],
        ids=["deadline", "patience"],
    )
    def test_a_turn_that_comes_too_late_is_not_waited_for(
        self, patience: dict[str, Any], raised: type[Exception]
    ) -> None:
        stepper = Stepper([], turns=[70.0])
        with pytest.raises(raised, match=r"get_job_run .*quota has not come"):
            stepper.run(lambda ctx: patiently(CALL, ctx), **patience)
        assert stepper.now == 1050
        assert stepper.calls == []

    @pytest.mark.parametrize(
        ("error", "raised"),
        [
            (client_error("ValidationException", "executionRoleArn is invalid"), RequestRejected),
            (client_error("ResourceNotFoundException", status=404), ResourceNotFound),
            (HTTPClientError(error=FileNotFoundError("/no/bundle.pem")), AccessDenied),
            (NoRegionError(), AccessDenied),
        ],
        ids=["validation", "not-found", "bundle", "region"],
    )
    def test_a_refusal_is_not_repeated(self, error: Exception, raised: type[Exception]) -> None:
        stepper = Stepper([error])
        with pytest.raises(raised):
            stepper.run(lambda ctx: patiently(CALL, ctx))
        assert stepper.sleeps == []


class TestAwaitState:
    def test_it_looks_until_the_target(self) -> None:
        stepper = Stepper([job_run("SUBMITTED"), job_run("QUEUED"), job_run("RUNNING"), job_run("SUCCESS", attempt=2)])
        snapshot = wait(stepper)
        assert (snapshot.state, snapshot.attempt) == (JobRunState.SUCCESS, 2)
        assert [call.operation for call in stepper.calls] == ["get_job_run"] * 4

    def test_throttling_in_between_is_no_failure(self) -> None:
        stepper = Stepper([job_run("RUNNING"), THROTTLED, THROTTLED, job_run("SUCCESS")])
        assert wait(stepper).state is JobRunState.SUCCESS

    @pytest.mark.parametrize(("state", "raised"), [("FAILED", JobRunFailed), ("CANCELLED", JobRunCancelled)])
    def test_another_end_is_its_own_error(self, state: str, raised: type[Exception]) -> None:
        with pytest.raises(raised, match=rf"Job run 00frun .* is {state}, attempt 3: No such file") as error:
            wait(Stepper([job_run("RUNNING"), job_run(state, stateDetails="No such file", attempt=3)]))
        assert error.value.facts["state"] == state
        assert error.value.facts["attempt"] == 3

    def test_a_failed_run_may_be_what_is_awaited(self) -> None:
        assert wait(Stepper([job_run("FAILED")]), JobRunState.FAILED).state is JobRunState.FAILED

    def test_a_target_out_of_reach_fails_at_once(self) -> None:
        stepper = Stepper([job_run("SUCCESS")])
        with pytest.raises(
            TargetUnreachable, match=r"can no longer reach RUNNING.*Wait for SUCCESS too.*target_states"
        ):
            wait(stepper, JobRunState.RUNNING)
        assert stepper.sleeps == []

    def test_the_deadline_is_absolute_and_names_the_parameters(self) -> None:
        stepper = Stepper([job_run("RUNNING")] * 1000)
        with pytest.raises(WaitTimeout, match=r"still RUNNING .* 60 s .*wait_timeout .*execution_timeout") as raised:
            wait(stepper, deadline=1060.0)
        assert stepper.now == 1060.0
        assert raised.value.facts["state"] == "RUNNING"

    def test_a_state_that_nobody_knows_is_waited_through_and_said_once(self, caplog: pytest.LogCaptureFixture) -> None:
        assert wait(Stepper([job_run("PAUSED"), job_run("PAUSED"), job_run("SUCCESS")])).state is JobRunState.SUCCESS
        assert [record.args for record in caplog.records if record.levelname == "WARNING"] == [
            ("Job run 00frun", "PAUSED")
        ]

    @pytest.mark.parametrize(
        "garbled",
        [
            {},
            {"jobRun": {}},
            job_run("RUNNING", createdAt="yesterday"),
            job_run("RUNNING", jobRunId="00fother"),
            job_run("RUNNING", applicationId=None),
            job_run(""),
            job_run("<html>"),
            {"jobRun": {**job_run("FAILED")["jobRun"], "state": 5}},
        ],
        ids=str,
    )
    def test_an_answer_that_cannot_be_read_is_no_observation(self, garbled: dict[str, Any]) -> None:
        assert wait(Stepper([job_run("RUNNING"), garbled, garbled, job_run("SUCCESS")])).state is JobRunState.SUCCESS

    def test_looks_come_early_first_and_rarely_later(self) -> None:
        stepper = Stepper([*[job_run("RUNNING")] * 60, job_run("SUCCESS")])
        wait(stepper, waiter_delay=30.0)
        assert stepper.sleeps[0] == pytest.approx(1.1)
        assert stepper.sleeps == sorted(stepper.sleeps)
        assert max(stepper.sleeps) == pytest.approx(33.0)

    def test_the_log_tells_changes_and_signs_of_life_only(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "stepping")
        stepper = Stepper([job_run("QUEUED"), *[job_run("RUNNING")] * 100, job_run("SUCCESS")])
        wait(stepper, waiter_delay=30.0, progress_interval=600.0)
        hours = (stepper.now - 1000) / 3600
        told = [(label, state) for label, state, *_ in (record.args for record in caplog.records)]
        assert list(dict.fromkeys(told)) == [("Job run 00frun", state) for state in ("QUEUED", "RUNNING", "SUCCESS")]
        assert [told.count(("Job run 00frun", state)) for state in ("QUEUED", "SUCCESS")] == [1, 1]
        assert 0.7 < hours < 1.0
        assert len(caplog.records) <= 3 + hours * 6

    def test_the_log_has_what_the_service_says_of_a_state_and_when_that_changes(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "stepping")
        waits = [job_run("SCHEDULED", stateDetails=f"It waits for {vcpus} vCPUs.") for vcpus in (8, 8, 4)]
        wait(Stepper([*waits, job_run("SUCCESS")]))
        told = [record.getMessage() for record in caplog.records if "SCHEDULED" in record.getMessage()]
        assert [message.rpartition(" (")[2] for message in told] == ["It waits for 8 vCPUs.)", "It waits for 4 vCPUs.)"]


def test_a_virtual_cluster_that_cannot_be_deleted_says_so() -> None:
    cluster = {
        "id": "vc",
        "arn": "arn",
        "name": "n",
        "state": "ARRESTED",
        "containerProvider": {"type": "EKS", "id": "eks"},
        "createdAt": datetime(2026, 5, 1, 12, tzinfo=timezone.utc),
    }
    stepper = Stepper(
        [{"id": "vc"}, {"virtualCluster": {**cluster, "state": "TERMINATING"}}, {"virtualCluster": cluster}]
    )
    ids = {"virtual_cluster_id": "vc"}
    with pytest.raises(TargetUnreachable, match=r"is ARRESTED: the service could not delete it"):
        stepper.run(lambda ctx: end(ctx, kind="virtual_cluster", ids=ids))
