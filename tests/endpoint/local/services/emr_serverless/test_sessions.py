"""Sessions on the simulated runner: states, limits, tokens and what they cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import botocore.session
import pytest

from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.protocol.rest_json import RestJson
from airflow_emrs_ext.local.services.connect.access import HostGoneError, TokenRefusedError
from airflow_emrs_ext.shared.service_model import extend
from tests.endpoint.local.services.emr_serverless.lab import ROLE, Lab, Sessions

MakeLab = Callable[..., Lab]
SMALL = [
    {
        "classification": "spark-defaults",
        "properties": {
            "spark.driver.cores": "1",
            "spark.driver.memory": "1g",
            "spark.executor.cores": "1",
            "spark.executor.memory": "1g",
            "spark.executor.instances": "1",
        },
    }
]


@pytest.fixture
def sessions(make_lab: MakeLab) -> Sessions:
    return Sessions(make_lab(session_start_seconds=0.001, session_quiet_seconds=0.01))


async def refused(operation: Callable[..., Any], code: str = "ValidationException", **params: Any) -> str:
    with pytest.raises(ApiError) as caught:
        await operation(**params)
    assert caught.value.code == code
    return caught.value.message


async def test_a_session_from_its_start_to_its_end(sessions: Sessions) -> None:
    sessions.script(ready_after=0.01)
    application_id = await sessions.application()
    ids = await sessions.start(application_id, name="mine", idleTimeoutMinutes=0, tags={"a": "b"})
    session = await sessions.in_state(ids, "IDLE")
    assert sessions.path(ids) == ["SUBMITTED", "STARTING", "STARTED", "IDLE"]
    assert session["idleSince"] >= session["startedAt"] > session["createdAt"]
    assert "endedAt" not in session
    assert "billedResourceUtilization" not in session
    assert (session["name"], session["tags"], session["idleTimeoutMinutes"]) == ("mine", {"a": "b"}, 0)
    await sessions.service.terminate_session(**ids)
    await sessions.service.terminate_session(**ids)
    session = await sessions.in_state(ids, "TERMINATED")
    assert sessions.path(ids)[-2:] == ["TERMINATING", "TERMINATED"]
    assert session["stateDetails"] == "Session terminated by request (TerminateSession)."
    assert session["endedAt"] >= session["startedAt"]
    assert session["totalExecutionDurationSeconds"] == 1
    assert session["billedResourceUtilization"]["vCPUHour"] == pytest.approx(16 / 60, abs=0.001)
    assert "cannot be TERMINATED" in await refused(sessions.service.terminate_session, **ids)


async def test_busy_while_calls_are_in_flight(sessions: Sessions) -> None:
    ids = await sessions.start(await sessions.application(), idleTimeoutMinutes=0)
    await sessions.in_state(ids, "IDLE")
    session = sessions.service.sessions.find(ids["applicationId"], ids["sessionId"])
    for _ in range(2):
        session.call_began()
    assert "idleSince" not in await sessions.in_state(ids, "BUSY")
    session.call_ended()
    await asyncio.sleep(0.03)
    assert sessions.path(ids)[-1] == "BUSY"
    session.call_ended()
    assert (await sessions.in_state(ids, "IDLE"))["idleSince"]
    assert sessions.path(ids)[-3:] == ["IDLE", "BUSY", "IDLE"]


async def test_short_calls_one_after_the_other_keep_it_busy(make_lab: MakeLab) -> None:
    sessions = Sessions(make_lab(session_quiet_seconds=0.2))
    ids = await sessions.start(await sessions.application(), idleTimeoutMinutes=0)
    await sessions.in_state(ids, "STARTED")
    session = sessions.service.sessions.find(ids["applicationId"], ids["sessionId"])
    for _ in range(5):
        session.call_began()
        session.call_ended()
        await asyncio.sleep(0)
    await sessions.in_state(ids, "IDLE")
    assert sessions.path(ids)[2:] == ["STARTED", "BUSY", "IDLE"]


async def test_the_idle_timeout_ends_it(sessions: Sessions) -> None:
    ids = await sessions.start(await sessions.application(), idleTimeoutMinutes=2)
    session = await sessions.in_state(ids, "TERMINATED")
    assert session["stateDetails"] == "Session terminated: it was idle for 2 minutes (idleTimeoutMinutes)."
    assert sessions.path(ids)[3:] == ["IDLE", "TERMINATING", "TERMINATED"]


async def test_a_busy_session_outlives_the_idle_timeout_and_not_24_hours(make_lab: MakeLab) -> None:
    sessions = Sessions(make_lab(seconds_per_minute=1.0, session_quiet_seconds=0.0))
    ids = await sessions.start(await sessions.application(), idleTimeoutMinutes=60)
    await sessions.in_state(ids, "IDLE")
    sessions.service.sessions.hold_busy(ids["sessionId"], True)
    sessions.lab.config.update({"seconds_per_minute": 0.0002})
    sessions.service.config_changed()
    session = await sessions.in_state(ids, "TERMINATED")
    assert "24 hours" in session["stateDetails"]
    assert session["endedAt"] - session["startedAt"] >= timedelta(seconds=24 * 60 * 0.0002)


async def test_a_session_that_is_held_busy_while_it_starts_is_busy(make_lab: MakeLab) -> None:
    sessions = Sessions(make_lab(scheduling_seconds=0.05))
    ids = await sessions.start(await sessions.application())
    sessions.service.sessions.hold_busy(ids["sessionId"], True)
    await sessions.in_state(ids, "BUSY")
    assert sessions.path(ids) == ["SUBMITTED", "STARTING", "STARTED", "BUSY"]


async def test_nothing_is_started_while_all_is_forgotten(make_lab: MakeLab) -> None:
    sessions = Sessions(make_lab())
    application_id = await sessions.application()
    ids = await sessions.start(application_id)
    await sessions.in_state(ids, "IDLE")
    session = sessions.service.sessions.find(application_id, ids["sessionId"])
    forgetting = asyncio.ensure_future(sessions.service.reset())
    await asyncio.sleep(0)
    with pytest.raises(ApiError, match="starts nothing more"):
        await sessions.start(application_id)
    await forgetting
    assert session.gone.is_set()
    assert session.timers == {}
    assert list(sessions.service.sessions) == []
    await sessions.start(await sessions.application())


@pytest.mark.parametrize(
    ("script", "path", "details"),
    [
        ({"ends_after": 0, "details": "no memory"}, ["FAILED"], "no memory"),
        ({"ready_after": 0, "ends_after": 0.005, "details": "lost"}, ["STARTED", "FAILED"], "lost"),
        ({"ends_after": 0}, ["FAILED"], "The session's driver failed."),
        (
            {"ready_after": 0, "ends_after": 0.005, "succeeded": True},
            ["STARTED", "TERMINATING", "TERMINATED"],
            "The session's driver ended.",
        ),
    ],
)
async def test_a_driver_that_ends_by_itself(
    script: dict[str, Any], path: list[str], details: str, make_lab: MakeLab
) -> None:
    sessions = Sessions(make_lab(session_quiet_seconds=10.0))
    sessions.script(**script)
    application_id = await sessions.application()
    ids = await sessions.start(application_id)
    session = await sessions.in_state(ids, "FAILED", "TERMINATED")
    assert (sessions.path(ids)[2:], session["stateDetails"]) == (path, details)
    await sessions.lab.eventually(lambda: not sessions.lab.record("application", application_id)["activeSessions"])
    await sessions.service.stop_application(applicationId=application_id)


@pytest.mark.parametrize("state", ["SUBMITTED", "STARTING"])
async def test_terminated_while_it_starts(state: str, make_lab: MakeLab) -> None:
    sessions = Sessions(make_lab(session_start_seconds=5.0, application_start_seconds=0.02))
    ids = await sessions.start(await sessions.application())
    await sessions.in_state(ids, state)
    assert "has no endpoint" in await refused(sessions.service.get_session_endpoint, **ids)
    await sessions.service.terminate_session(**ids)
    session = await sessions.in_state(ids, "TERMINATED")
    assert "startedAt" not in session
    assert "totalResourceUtilization" not in session


async def test_more_than_there_ever_is(sessions: Sessions) -> None:
    application_id = await sessions.application(maximumCapacity={"cpu": "2 vCPU", "memory": "8 GB"})
    session = await sessions.in_state(await sessions.start(application_id), "FAILED")
    assert "maximumCapacity" in session["stateDetails"]


async def test_capacity_is_shared_with_job_runs(sessions: Sessions) -> None:
    application_id = await sessions.application(maximumCapacity={"cpu": "2 vCPU", "memory": "8 GB"})
    small = {"configurationOverrides": {"runtimeConfiguration": SMALL}}
    first = await sessions.start(application_id, **small)
    await sessions.in_state(first, "IDLE", "STARTED")
    run_id = await sessions.lab.submit(application_id)
    await sessions.lab.run_in(run_id, "SCHEDULED")
    await asyncio.sleep(0.02)
    assert sessions.lab.state(run_id) == "SCHEDULED"
    await sessions.service.terminate_session(**first)
    await sessions.lab.ended(run_id)


async def test_an_idle_session_gives_its_executors_back(make_lab: MakeLab) -> None:
    sessions = Sessions(make_lab(quota_scale=1, session_start_seconds=0.001, session_quiet_seconds=0.01))
    lab, application_id = sessions.lab, await sessions.application()
    first = await sessions.start(application_id, idleTimeoutMinutes=0)
    second = await sessions.start(application_id, idleTimeoutMinutes=0)
    await sessions.in_state(second, "IDLE")
    await shrunk(sessions, first, second)
    run_id = await lab.submit(application_id)
    assert (await lab.ended(run_id))["state"] == "SUCCESS"

    session = sessions.service.sessions.find(first["applicationId"], first["sessionId"])
    session.call_began()
    # Two drivers leave 8 of 16 vCPUs.
    assert executors(sessions, first) == 2
    session.call_ended()
    await shrunk(sessions, first)


@pytest.mark.parametrize(
    ("properties", "kept"),
    [
        ({"spark.dynamicAllocation.enabled": "false"}, 3),
        ({"spark.dynamicAllocation.minExecutors": "1"}, 1),
        ({"spark.dynamicAllocation.executorIdleTimeout": "1h"}, 3),
        ({"spark.dynamicAllocation.executorIdleTimeout": "600ms"}, 0),
    ],
)
async def test_what_an_idle_session_keeps(sessions: Sessions, properties: dict[str, str], kept: int) -> None:
    overrides = {"runtimeConfiguration": [{"classification": "spark-defaults", "properties": properties}]}
    ids = await sessions.start(await sessions.application(), idleTimeoutMinutes=0, configurationOverrides=overrides)
    await sessions.in_state(ids, "IDLE")
    await asyncio.sleep(0.1)

    assert executors(sessions, ids) == kept


async def test_a_time_that_spark_cannot_read(sessions: Sessions) -> None:
    properties = {"spark.dynamicAllocation.executorIdleTimeout": "soon"}
    overrides = {"runtimeConfiguration": [{"classification": "spark-defaults", "properties": properties}]}
    said = await refused(sessions.start, application_id=await sessions.application(), configurationOverrides=overrides)
    assert said == "spark.dynamicAllocation.executorIdleTimeout: 'soon' is no time such as 60s or 2min"


async def test_executors_are_billed_for_as_long_as_they_are_there(sessions: Sessions) -> None:
    ids = await sessions.start(await sessions.application(), idleTimeoutMinutes=0)
    session = sessions.service.sessions.find(ids["applicationId"], ids["sessionId"])
    await sessions.lab.eventually(lambda: session.state.value == "IDLE")
    await asyncio.sleep(0.05)
    await sessions.service.terminate_session(**ids)
    await sessions.in_state(ids, "TERMINATED")

    driver, *parts = session.usages()
    assert driver.executor_count == 0
    assert [part.executor_count for part in parts] == [3]
    assert parts[0].seconds < driver.seconds


def executors(sessions: Sessions, ids: dict[str, str]) -> int:
    return int(sessions.record(ids)["executorCount"])


async def shrunk(sessions: Sessions, *all_ids: dict[str, str]) -> None:
    """Until none of them has an executor, which is no change of a state."""

    for _ in range(2000):
        if not any(executors(sessions, ids) for ids in all_ids):
            return
        await asyncio.sleep(0.005)
    raise AssertionError("they have executors still")


@pytest.mark.parametrize(
    ("application", "expected"),
    [
        ({"releaseLabel": "emr-7.12.0", "interactiveConfiguration": {}}, "supported from release emr-7.13.0"),
        ({"interactiveConfiguration": {}}, "interactiveConfiguration.sessionEnabled"),
        ({"interactiveConfiguration": {"sessionEnabled": False}}, "interactiveConfiguration.sessionEnabled"),
        ({"type": "HIVE", "interactiveConfiguration": {}}, "sessions are for Spark applications only"),
        ({"autoStartConfiguration": {"enabled": False}}, "takes no sessions"),
    ],
)
async def test_applications_without_sessions(application: dict[str, Any], expected: str, sessions: Sessions) -> None:
    application_id = await sessions.application(**application)
    assert expected in await refused(sessions.start, application_id=application_id)
    assert sessions.service.sessions.records() == []


async def test_unusable_requests(sessions: Sessions) -> None:
    application_id = await sessions.application()
    twice = {"runtimeConfiguration": SMALL + SMALL}
    message = await refused(sessions.start, application_id=application_id, configurationOverrides=twice)
    assert message.startswith("configurationOverrides.runtimeConfiguration.2.classification")
    assert "reserved" in await refused(sessions.start, application_id=application_id, tags={"aws:x": "y"})


async def test_unknown_sessions(sessions: Sessions) -> None:
    first, second = await sessions.application(), await sessions.application()
    ids = await sessions.start(first)
    service = sessions.service
    for operation in (service.get_session, service.terminate_session, service.get_session_endpoint):
        for wrong in ({**ids, "applicationId": second}, {**ids, "sessionId": "00nothere"}):
            assert "does not exist" in await refused(operation, "ResourceNotFoundException", **wrong)
    wrong = {"applicationId": second, "resourceId": ids["sessionId"], "resourceType": "SESSION"}
    await refused(service.get_resource_dashboard, "ResourceNotFoundException", **wrong)


async def test_25_at_once(make_lab: MakeLab) -> None:
    sessions = Sessions(make_lab(quota_scale=1.0))
    application_id = await sessions.application()
    started = [await sessions.start(application_id) for _ in range(25)]
    message = await refused(sessions.start, "ServiceQuotaExceededException", application_id=application_id)
    assert "limit of 25 active sessions" in message
    await sessions.start(await sessions.application())
    await sessions.service.terminate_session(**started[0])
    await sessions.in_state(started[0], "TERMINATED")
    await sessions.lab.eventually(
        lambda: len(sessions.lab.record("application", application_id)["activeSessions"]) == 24
    )
    await sessions.start(application_id)


async def test_the_same_request_twice(sessions: Sessions) -> None:
    application_id = await sessions.application()
    request = {"application_id": application_id, "clientToken": "once", "name": "mine"}
    assert await sessions.start(**request) == await sessions.start(**request)
    assert len(sessions.service.sessions.records()) == 1
    await refused(sessions.start, "ConflictException", **{**request, "name": "other"})


async def test_an_application_with_sessions_stays_started(sessions: Sessions) -> None:
    application_id = await sessions.application(autoStopConfiguration={"enabled": True, "idleTimeoutMinutes": 1})
    ids = await sessions.start(application_id, idleTimeoutMinutes=0)
    await sessions.in_state(ids, "IDLE")
    await asyncio.sleep(0.03)
    assert "1 active sessions; terminate them" in await refused(
        sessions.service.stop_application, applicationId=application_id
    )
    await refused(sessions.service.delete_application, applicationId=application_id)
    await sessions.service.terminate_session(**ids)
    await sessions.lab.application_in(application_id, "STOPPED")


async def test_tokens(make_lab: MakeLab) -> None:
    sessions = Sessions(make_lab())
    ids = await sessions.start(await sessions.application(), idleTimeoutMinutes=0)
    await sessions.in_state(ids, "STARTED", "IDLE")
    first, second = [await sessions.service.get_session_endpoint(**ids) for _ in range(2)]
    assert first["authToken"] != second["authToken"]
    assert sessions.record(ids)["tokensMinted"] == 2
    assert not any(first["authToken"] in str(record) for record in sessions.service.sessions.records())
    access = sessions.service.sessions.access
    assert access.read(first["authToken"]).id == access.read(second["authToken"]).id == ids["sessionId"]
    sessions.lab.config.session_token_seconds = 0.0
    short = await sessions.service.get_session_endpoint(**ids)
    for unusable, reason in ((short["authToken"], "expired"), ("x", "unknown"), (None, "missing")):
        with pytest.raises(TokenRefusedError, match=reason):
            access.read(unusable)
    await sessions.service.terminate_session(**ids)
    with pytest.raises(HostGoneError, match=r"TERMINATING: Session terminated by request"):
        access.read(first["authToken"])


async def test_listing(sessions: Sessions) -> None:
    application_id = await sessions.application()
    started = [await sessions.start(application_id, idleTimeoutMinutes=0) for _ in range(3)]
    for ids in started:
        await sessions.in_state(ids, "IDLE")
    await sessions.service.terminate_session(**started[1])
    await sessions.in_state(started[1], "TERMINATED")
    order = [ids["sessionId"] for ids in started]

    async def listed(**params: Any) -> list[str]:
        answer = await sessions.service.list_sessions(applicationId=application_id, **params)
        return [session["sessionId"] for session in answer["sessions"]]

    assert await listed() == order[::-1]
    assert await listed(states=["TERMINATED"]) == [order[1]]
    assert await listed(states=["TERMINATED", "IDLE"]) == [order[1], order[2], order[0]]
    created = sessions.service.sessions.find(application_id, order[1]).created_at
    assert await listed(createdAtAfter=created, createdAtBefore=created) == [order[1]]
    first = await sessions.service.list_sessions(applicationId=application_id, maxResults=2)
    assert await listed(maxResults=2, nextToken=first["nextToken"]) == [order[0]]


async def test_dashboard(sessions: Sessions) -> None:
    ids = await sessions.start(await sessions.application(), idleTimeoutMinutes=0)
    wanted = {"applicationId": ids["applicationId"], "resourceId": ids["sessionId"], "resourceType": "SESSION"}
    assert await sessions.service.get_resource_dashboard(**wanted) == {}
    await sessions.in_state(ids, "IDLE")

    async def page() -> str:
        url = (await sessions.service.get_resource_dashboard(**wanted))["url"]
        return await sessions.service.dashboards.redeem(url.rpartition("/")[2])

    running = await page()
    assert running == f"http://endpoint/_emrs/simulated-ui/{ids['applicationId']}/{ids['sessionId']}"
    await sessions.service.terminate_session(**ids)
    await sessions.in_state(ids, "TERMINATED")
    assert await page() == running


async def test_answers_agree_with_the_model(sessions: Sessions) -> None:
    model = extend(botocore.session.get_session(), "emr-serverless").get_service_model("emr-serverless")
    protocol = RestJson(model)

    async def call(operation: str, method: str, **params: Any) -> Any:
        answer = await getattr(sessions.service, method)(**params)
        protocol.respond(model.operation_model(operation), answer, check=True)
        return answer

    application_id = await sessions.application(
        networkConfiguration={"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]}
    )
    started = await call(
        "StartSession",
        "start_session",
        applicationId=application_id,
        clientToken="1",
        executionRoleArn=ROLE,
        name="n",
        tags={"c": "d"},
        configurationOverrides={"runtimeConfiguration": SMALL},
    )
    ids = {"applicationId": application_id, "sessionId": started["sessionId"]}
    await call("GetSession", "get_session", **ids)
    await sessions.in_state(ids, "IDLE")
    await call("GetSessionEndpoint", "get_session_endpoint", **ids)
    wanted = {"applicationId": application_id, "resourceId": ids["sessionId"], "resourceType": "SESSION"}
    await call("GetResourceDashboard", "get_resource_dashboard", **wanted)
    await call("ListSessions", "list_sessions", applicationId=application_id, maxResults=1)
    await call("TagResource", "tag_resource", resourceArn=started["arn"], tags={"e": "f"})
    assert (await call("ListTagsForResource", "list_tags_for_resource", resourceArn=started["arn"]))["tags"] == {
        "c": "d",
        "e": "f",
    }
    await call("TerminateSession", "terminate_session", **ids)
    await sessions.in_state(ids, "TERMINATED")
    shown = (await call("GetSession", "get_session", **ids))["session"]
    assert set(shown) == set(model.operation_model("GetSession").output_shape.members["session"].members) - {
        "idleSince"
    }


async def test_everything_is_forgotten(sessions: Sessions) -> None:
    ids = await sessions.start(await sessions.application(), idleTimeoutMinutes=0)
    await sessions.in_state(ids, "IDLE")
    token = (await sessions.service.get_session_endpoint(**ids))["authToken"]
    await sessions.service.reset()
    assert sessions.service.sessions.records() == []
    with pytest.raises(TokenRefusedError):
        sessions.service.sessions.access.read(token)
