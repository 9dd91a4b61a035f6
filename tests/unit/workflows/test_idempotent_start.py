"""Whose a resource is: names and tags, and the chain of client tokens."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_emrs_ext.aws.ownership_tags import (
    TaskIdentity,
    is_named_after_task,
    marked,
    owner,
    owner_tags,
    token,
)
from airflow_emrs_ext.exceptions import AccessDenied, RequestConflict, ServiceUnavailable
from airflow_emrs_ext.resources import EKS_JOB_RUN, JOB_RUN, ResourceKind
from airflow_emrs_ext.shared.states import State
from airflow_emrs_ext.workflows.idempotent_start import idempotent_start
from tests.unit.stepping import Stepper, client_error

NOW = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
DATED = {"ResponseMetadata": {"HTTPHeaders": {"date": "Fri, 01 May 2026 12:00:00 GMT"}}}
REQUEST: dict[str, Any] = {"application_id": "00fapp", "execution_role_arn": "role"}


def identity(**parts: Any) -> TaskIdentity:
    given = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, **parts}
    return TaskIdentity(**given)


def test_tags_name_the_task_in_what_the_service_allows() -> None:
    tags = identity(dag_id="täglich/größe", run_id="x" * 300, map_index=3).tags
    assert tags["airflow-emrs-ext:task_id"] == "t"
    assert tags["airflow-emrs-ext:map_index"] == "3"
    assert all(re.fullmatch(r"[A-Za-z0-9 /_.:=+@-]{0,256}", value) for value in tags.values())
    assert identity(dag_id="größe").tags != identity(dag_id="grüße").tags
    assert identity(run_id="x" * 300).tags != identity(run_id="x" * 301).tags
    plain = "manual__2026-05-01T00:00:00+00:00"
    assert owner(identity(run_id=plain).tags) == {"dag_id": "d", "run_id": plain, "task_id": "t"}
    strange = {"dag_id": "täglich=20", "run_id": "a~b", "task_id": "t", "deployment": "größte"}
    assert owner(identity(**strange).tags) == strange
    assert "run_id" not in owner(identity(run_id="x" * 300).tags)
    assert owner_tags({"team": "data", **identity().tags}) == identity().tags


def test_names_tell_mapped_tasks_apart_and_fit() -> None:
    assert identity().name == "d.t"
    assert identity(map_index=0).name == "d.t[0]"
    assert len(JOB_RUN.name_of(identity(dag_id="d" * 300).name)) == 256
    assert EKS_JOB_RUN.name_of(identity(map_index=0).name) == "d.t-0-"
    assert re.fullmatch(r"[\.\-_/#A-Za-z0-9]{64}", EKS_JOB_RUN.name_of(identity(dag_id="größe" * 20).name))


@pytest.mark.parametrize("kind", [JOB_RUN, EKS_JOB_RUN], ids=lambda kind: kind.key)
def test_a_name_of_ones_own_is_told_from_the_tasks(kind: ResourceKind[State]) -> None:
    for one in (identity(), identity(map_index=3), identity(dag_id="größe" * 9)):
        assert is_named_after_task({"name": kind.name_of(one.name), "tags": one.tags}, kind.name_of)
        assert not is_named_after_task({"name": "mine", "tags": one.tags}, kind.name_of)
    assert not is_named_after_task({"name": identity().name, "tags": {"team": "data"}}, kind.name_of)


def test_tokens_differ_by_task_run_deployment_and_generation() -> None:
    others = [
        {"task_id": "u"},
        {"run_id": "s"},
        {"map_index": 0},
        {"deployment": "another"},
    ]
    seeds = {identity().seed(), *(identity(**other).seed() for other in others)}
    assert len(seeds) == 5
    tokens = {token(seed, generation) for seed in seeds for generation in range(3)}
    assert len(tokens) == 15
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,64}", one) for one in tokens)
    assert identity().seed() == identity().seed()


def started(session_id: str) -> dict[str, Any]:
    return {"applicationId": "00fapp", "sessionId": session_id, "arn": "arn", **DATED}


def described(session_id: str, state: str, created_at: datetime, **more: Any) -> dict[str, Any]:
    session = {
        "applicationId": "00fapp",
        "sessionId": session_id,
        "arn": "arn",
        "state": state,
        "stateDetails": "x",
        "releaseLabel": "emr-7.13.0",
        "executionRoleArn": "role",
        "createdBy": "me",
        "createdAt": created_at,
        "updatedAt": created_at,
        **more,
    }
    return {"session": session}


EARLIER = datetime(2026, 5, 1, 11, tzinfo=timezone.utc)


def start_with(answers: list[Any], request: dict[str, Any] = REQUEST, **more: Any) -> tuple[str, Stepper]:
    stepper = Stepper(answers, now=NOW.timestamp())
    given = {"try_number": 2, **more}
    facts = stepper.run(lambda ctx: idempotent_start(ctx, kind="session", request=request, seed="seed", **given))
    return facts["session_id"], stepper


def operations(stepper: Stepper) -> list[tuple[str, str]]:
    return [(call.operation, call.parameters.get("sessionId", "")) for call in stepper.calls]


def listed(*session_ids: str) -> dict[str, Any]:
    return {"sessions": [{"applicationId": "00fapp", "sessionId": one} for one in session_ids]}


def test_the_first_generation_that_serves_is_the_tasks() -> None:
    found, stepper = start_with(
        [
            *(started("a"), described("a", "FAILED", EARLIER)),
            *(started("b"), described("b", "TERMINATING", EARLIER), described("b", "TERMINATED", EARLIER)),
            *(started("c"), described("c", "IDLE", EARLIER)),
        ]
    )
    assert found == "c"
    tokens = [call.parameters["clientToken"] for call in stepper.calls if call.operation == "start_session"]
    assert tokens == [token("seed", generation) for generation in range(3)]


@pytest.mark.parametrize("try_number", [1, 2])
def test_one_that_fails_as_soon_as_it_is_started_is_not_followed_by_others(try_number: int) -> None:
    found, stepper = start_with([started("a"), described("a", "FAILED", NOW)], try_number=try_number)
    assert found == "a"
    assert len(stepper.calls) == 2


def test_what_an_earlier_try_has_left_is_gone_on_with_and_the_rest_is_ended() -> None:
    request = {**REQUEST, "tags": identity().tags}
    same, other = marked(request)["tags"], marked({**request, "name": "other"})["tags"]
    found, stepper = start_with(
        [
            listed("older", "newer", "changed", "foreign"),
            described("older", "IDLE", EARLIER, tags=same),
            described("newer", "IDLE", NOW, tags=same),
            described("changed", "STARTING", EARLIER, tags=other),
            described("foreign", "IDLE", EARLIER, tags={**same, "airflow-emrs-ext:task_id": "other"}),
            *(started("older"), described("older", "TERMINATED", EARLIER)),
            *(started("changed"), described("changed", "TERMINATED", EARLIER)),
        ],
        request,
    )
    assert found == "newer"
    ended = [one for operation, one in operations(stepper) if operation == "terminate_session"]
    assert sorted(ended) == ["changed", "older"]
    assert "start_session" not in dict(operations(stepper))


@pytest.mark.parametrize("reattach", [True, False])
def test_a_retry_lists_only_what_is_too_old_for_its_token(reattach: bool) -> None:
    request = {**REQUEST, "tags": identity().tags}
    _, stepper = start_with([listed(), started("a"), described("a", "SUBMITTED", NOW)], request, reattach=reattach)
    limit = NOW - timedelta(hours=1) if reattach else None
    assert stepper.calls[0].parameters.get("createdAtBefore") == limit


AN_HOUR_AGO = NOW.timestamp() - 3600


@pytest.mark.parametrize(
    ("tries", "began", "found"),
    [
        (0, AN_HOUR_AGO - 60, "a"),
        (0, AN_HOUR_AGO + 240, "a"),
        (0, AN_HOUR_AGO + 360, "c"),
        (0, None, "a"),
        (1, AN_HOUR_AGO - 60, "b"),
        (2, AN_HOUR_AGO - 60, "c"),
    ],
    ids=[
        "of this DAG run",
        "clocks differ",
        "of a DAG run before",
        "not known when",
        "cleared after one try",
        "cleared after two",
    ],
)
@pytest.mark.parametrize("skew", [-7200, 0, 7200])
def test_a_success_counts_if_nobody_has_cleared_it(tries: int, began: float | None, found: str, skew: float) -> None:
    request = {"application_id": "00fapp"}
    answers = [
        *(job_run("a"), described_job_run("a", "SUCCESS", EARLIER)),
        *(job_run("b"), described_job_run("b", "SUCCESS", EARLIER)),
        *(job_run("c"), described_job_run("c", "SUBMITTED", NOW)),
    ]
    stepper = Stepper(answers, now=NOW.timestamp() + skew)
    facts = stepper.run(
        lambda ctx: idempotent_start(
            ctx,
            kind="job_run",
            request={**request, "execution_role_arn": "role", "job_driver": {}},
            seed="seed",
            try_number=3,
            epoch={"tries": tries, "began": began},
        )
    )
    assert facts["job_run_id"] == found


SKEWS = [-7200, -10, 0, 10, 7200]


@pytest.mark.parametrize("skew", SKEWS)
@pytest.mark.parametrize("tries", [0, 1, 2])
def test_no_clock_of_a_worker_ends_what_is_active(tries: int, skew: float) -> None:
    """A worker that was lost has left one; the DAG run has started again meanwhile."""
    answers = [started("a"), described("a", "IDLE", EARLIER)]
    if tries == 2:
        # A person has cleared the task after both tries: what they have left is ended.
        answers += [started("a"), described("a", "TERMINATED", EARLIER), started("b"), described("b", "SUBMITTED", NOW)]
    stepper = Stepper(answers, now=NOW.timestamp() + skew)
    epoch = {"tries": tries, "began": NOW.timestamp() - 60, "ends": tries == 2}
    facts = stepper.run(
        lambda ctx: idempotent_start(ctx, kind="session", request=REQUEST, seed="seed", try_number=3, epoch=epoch)
    )
    assert facts["session_id"] == ("b" if tries == 2 else "a")
    assert ("terminate_session" in dict(operations(stepper))) == (tries == 2)


@pytest.mark.parametrize("skew", SKEWS)
def test_what_a_try_has_just_started_is_its_own_whatever_its_clock_and_number(skew: float) -> None:
    # Tries that failed before they started anything have made no generation, and count all the same.
    epoch = {"tries": 2, "began": NOW.timestamp() - 60, "ends": True}
    stepper = Stepper([started("a"), described("a", "SUBMITTED", NOW)], now=NOW.timestamp() + skew)
    facts = stepper.run(
        lambda ctx: idempotent_start(ctx, kind="session", request=REQUEST, seed="seed", try_number=3, epoch=epoch)
    )
    assert facts["session_id"] == "a"
    assert "terminate_session" not in dict(operations(stepper))


@pytest.mark.parametrize("state", ["SUCCESS", "FAILED"])
def test_a_first_try_is_not_served_by_a_dag_run_that_was_deleted(state: str) -> None:
    """Made again a minute after its predecessor, with the same ids: no clock tells them apart, and the order does."""
    before = NOW - timedelta(seconds=50)
    answers = [
        *(job_run("a"), described_job_run("a", state, before)),
        *(job_run("b"), described_job_run("b", "SUBMITTED", NOW)),
    ]
    stepper = Stepper(answers, now=NOW.timestamp())
    request = {"application_id": "00fapp", "execution_role_arn": "role", "job_driver": {}}
    epoch = {"began": NOW.timestamp() - 10}
    facts = stepper.run(lambda ctx: idempotent_start(ctx, kind="job_run", request=request, seed="seed", epoch=epoch))
    assert facts["job_run_id"] == "b"


def test_what_another_process_of_the_same_try_has_asked_for_is_its_own() -> None:
    """A triggerer was lost between a start and its answer, and the job run has ended before the next one asks."""
    answers = [job_run("a"), described_job_run("a", "SUCCESS", NOW - timedelta(seconds=50))]
    stepper = Stepper(answers, now=NOW.timestamp())
    request = {"application_id": "00fapp", "execution_role_arn": "role", "job_driver": {}}

    class Asked:
        def recall(self) -> dict[str, Any]:
            return {"asked": True}

        def note(self, notes: Any, /) -> None:
            """Forget it."""

    facts = stepper.run(
        lambda ctx: idempotent_start(
            replace(ctx, notes=Asked()),
            kind="job_run",
            request=request,
            seed="seed",
            epoch={"began": NOW.timestamp() - 60},
        )
    )
    assert facts["job_run_id"] == "a"


def test_a_start_that_had_its_effect_at_a_lost_answer_is_new() -> None:
    """The answer was lost for a minute, and the job run has ended meanwhile."""
    answers = [
        *[client_error("InternalServerException", "", 500)] * 6,
        *(job_run("a"), described_job_run("a", "SUCCESS", NOW + timedelta(seconds=1))),
    ]
    stepper = Stepper(answers, now=NOW.timestamp())
    request = {"application_id": "00fapp", "execution_role_arn": "role", "job_driver": {}}
    answers[6]["ResponseMetadata"] = {"HTTPHeaders": {"date": "Fri, 01 May 2026 12:00:51 GMT"}}
    facts = stepper.run(lambda ctx: idempotent_start(ctx, kind="job_run", request=request, seed="seed", epoch={}))
    assert facts["job_run_id"] == "a"


def test_a_worker_whose_clock_is_behind_lists_what_is_too_old_for_its_token() -> None:
    request = {**REQUEST, "tags": identity().tags}
    tags = marked(request)["tags"]
    old = NOW - timedelta(minutes=90)
    answers = [
        {**listed(), **DATED},
        {**listed("old"), **DATED},
        described("old", "IDLE", old, tags=tags),
    ]
    stepper = Stepper(answers, now=NOW.timestamp() - 7200)
    facts = stepper.run(lambda ctx: idempotent_start(ctx, kind="session", request=request, seed="seed", try_number=2))
    assert facts["session_id"] == "old"
    assert stepper.calls[1].parameters["createdAtBefore"] >= NOW - timedelta(hours=1)


def job_run(job_run_id: str) -> dict[str, Any]:
    return {"applicationId": "00fapp", "jobRunId": job_run_id, "arn": "arn", **DATED}


def described_job_run(job_run_id: str, state: str, created_at: datetime) -> dict[str, Any]:
    run = {**described(job_run_id, state, created_at)["session"], "jobRunId": job_run_id, "executionRole": "role"}
    return {"jobRun": {**run, "jobDriver": {"sparkSubmit": {"entryPoint": "s3://b/j.py"}}}}


def test_a_first_try_looks_for_nothing() -> None:
    request = {**REQUEST, "tags": identity().tags}
    _, stepper = start_with([started("a"), described("a", "SUBMITTED", NOW)], request, try_number=1)
    assert [operation for operation, _ in operations(stepper)] == ["start_session", "get_session"]


def test_nothing_is_started_while_what_there_is_cannot_be_listed() -> None:
    request = {**REQUEST, "tags": identity().tags}
    denied = client_error("AccessDeniedException", "no", 403)
    found, _ = start_with([denied, listed(), started("a"), described("a", "IDLE", EARLIER)], request)
    assert found == "a"
    with pytest.raises(AccessDenied, match="list_sessions"):
        start_with([denied] * 100, request)


def test_a_conflict_ends_what_was_started_under_another_name_before_it_leads_on() -> None:
    tags = identity().tags
    found, stepper = start_with(
        [
            {"sessions": [{"applicationId": "00fapp", "sessionId": "a", "name": "another"}]},
            client_error("ConflictException", "Idempotency conflict", 409),
            {"sessions": [{"applicationId": "00fapp", "sessionId": one, "name": "another"} for one in "ac"]},
            described("a", "IDLE", EARLIER, tags={**tags, "team": "data"}),
            described("c", "IDLE", EARLIER, tags={**tags, "airflow-emrs-ext:task_id": "other"}),
            *(started("a"), described("a", "TERMINATED", EARLIER)),
            *(started("b"), described("b", "SUBMITTED", NOW)),
        ],
        {**REQUEST, "tags": tags},
    )
    assert found == "b"
    ended = [one for operation, one in operations(stepper) if operation == "terminate_session"]
    assert ended == ["a"]


def test_a_conflict_of_another_kind_is_an_error() -> None:
    with pytest.raises(RequestConflict):
        start_with([client_error("ConflictException", "The application is being stopped", 409)] * 20)


def test_a_refused_look_says_what_was_started() -> None:
    with pytest.raises(AccessDenied) as refused:
        start_with([started("a"), *[client_error("AccessDeniedException", "no", 403)] * 100])
    assert refused.value.facts["session_id"] == "a"


def test_what_was_just_started_may_not_be_found_yet() -> None:
    absent = client_error("ResourceNotFoundException", "no such session", 404)
    assert start_with([started("a"), absent, absent, described("a", "STARTING", NOW)])[0] == "a"
    with pytest.raises(ServiceUnavailable, match="left as it is") as left:
        start_with([started("a"), *[absent] * 100])
    assert left.value.facts["session_id"] == "a"


def test_a_conflict_of_another_kind_leaves_what_was_started_with_this_request() -> None:
    tags = marked({**REQUEST, "tags": identity().tags})["tags"]
    conflict = client_error("ConflictException", "The application is being stopped", 409)
    found, stepper = start_with(
        [listed(), conflict, listed("a"), described("a", "IDLE", EARLIER, tags=tags)],
        {**REQUEST, "tags": identity().tags},
    )
    assert found == "a"
    assert "terminate_session" not in dict(operations(stepper))


@pytest.mark.parametrize("wrong", ["Fri, 01 May 2026 22:00:00 GMT", "Thu, 30 Apr 2026 12:00:00 GMT", "no date", None])
def test_a_clock_that_is_wrong_starts_no_more_than_one_per_try(wrong: str | None) -> None:
    headers = {} if wrong is None else {"date": wrong}
    answers = [
        one
        for name in "abc"
        for one in (
            {**started(name), "ResponseMetadata": {"HTTPHeaders": headers}},
            described(name, "FAILED", NOW),
        )
    ]
    _, stepper = start_with(answers, try_number=2)
    assert len([call for call in stepper.calls if call.operation == "start_session"]) <= 2


def test_a_start_whose_answer_cannot_be_read_is_repeated_with_its_token() -> None:
    garbled = {"ResponseMetadata": {"HTTPHeaders": {"content-type": "application/json"}}}
    found, stepper = start_with([*[garbled] * 300, started("a"), described("a", "SUBMITTED", NOW)], try_number=1)
    assert found == "a"
    assert {call.parameters["clientToken"] for call in stepper.calls[:301]} == {token("seed", 0)}
