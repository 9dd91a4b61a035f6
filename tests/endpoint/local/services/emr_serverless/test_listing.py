"""ListApplications, ListJobRuns, ListJobRunAttempts: filters, order and pages."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_emrs_ext.local.base.errors import ApiError
from tests.endpoint.local.services.emr_serverless.lab import FAIL, HOLD, Lab

NEW = {"type": "SPARK", "releaseLabel": "emr-7.5.0"}


async def pages(call: Callable[..., Any], member: str, **params: Any) -> list[list[Any]]:
    """Every page of a listing."""
    found, answer = [], await call(**params)
    while True:
        found.append(answer[member])
        if "nextToken" not in answer:
            return found
        answer = await call(**params, nextToken=answer["nextToken"])


async def test_applications(lab: Lab) -> None:
    first, second, third = [await lab.application(name=name) for name in "abc"]
    await lab.service.delete_application(applicationId=second)
    listed = (await lab.service.list_applications())["applications"]
    assert [application["id"] for application in listed] == [third, first]
    application = await lab.get_application(first)
    assert listed[1] == {
        "id": first,
        "name": "a",
        "arn": application["arn"],
        "releaseLabel": "emr-7.5.0",
        "type": "Spark",
        "state": "CREATED",
        "createdAt": application["createdAt"],
        "updatedAt": application["updatedAt"],
        "architecture": "X86_64",
    }
    terminated = await lab.service.list_applications(states=["TERMINATED"])
    assert [application["id"] for application in terminated["applications"]] == [second]
    assert (await lab.service.list_applications(states=["STARTED"])) == {"applications": []}


async def test_applications_grouped_by_state_over_pages(lab: Lab) -> None:
    created = [await lab.application() for _ in range(3)]
    started = [await lab.started_application() for _ in range(3)]
    states = ["STARTED", "CREATED"]
    found = await pages(lab.service.list_applications, "applications", states=states, maxResults=2)
    assert [len(page) for page in found] == [2, 2, 2]
    assert [application["id"] for page in found for application in page] == [*started[::-1], *created[::-1]]


async def test_job_runs(lab: Lab) -> None:
    lab.script(HOLD, name="hold")
    lab.script(FAIL, name="fail")
    application_id = await lab.application()
    other_id = await lab.application()
    await lab.ended(await lab.submit(other_id))
    held = await lab.submit(application_id, name="hold")
    failed = await lab.submit(application_id, name="fail")
    stream = await lab.submit(application_id, mode="STREAMING")
    for run_id in (failed, stream):
        await lab.ended(run_id)
    await lab.run_in(held, "RUNNING")

    async def listed(**filters: Any) -> list[str]:
        answer = await lab.service.list_job_runs(applicationId=application_id, **filters)
        return [run["id"] for run in answer["jobRuns"]]

    assert await listed() == [stream, failed, held]
    assert await listed(states=["FAILED"]) == [failed]
    assert await listed(states=["RUNNING", "SUCCESS", "FAILED"]) == [held, stream, failed]
    assert await listed(states=[]) == [stream, failed, held]
    assert await listed(mode="STREAMING") == [stream]
    assert await listed(mode="BATCH", states=["RUNNING"]) == [held]
    moment = (await lab.get(failed))["createdAt"]
    tick = timedelta(microseconds=1)
    assert await listed(createdAtAfter=moment) == [stream, failed]
    assert await listed(createdAtAfter=moment + tick) == [stream]
    assert await listed(createdAtBefore=moment) == [failed, held]
    assert await listed(createdAtBefore=moment - tick) == [held]
    assert await listed(createdAtAfter=moment, createdAtBefore=moment) == [failed]

    run = await lab.get(held)
    (summary,) = (await lab.service.list_job_runs(applicationId=application_id, states=["RUNNING"]))["jobRuns"]
    shared = ("applicationId", "name", "mode", "arn", "createdBy", "createdAt", "updatedAt", "executionRole", "state")
    assert {name: summary[name] for name in shared} == {name: run[name] for name in shared}
    more = ("stateDetails", "releaseLabel", "attempt", "attemptCreatedAt", "attemptUpdatedAt")
    assert {name: summary[name] for name in more} == {name: run[name] for name in more}
    assert (summary["id"], summary["type"]) == (held, "Spark")


async def test_pages_of_job_runs(lab: Lab) -> None:
    application_id = await lab.application()
    runs = [await lab.submit(application_id) for _ in range(53)]
    by_default = await pages(lab.service.list_job_runs, "jobRuns", applicationId=application_id)
    assert [len(page) for page in by_default] == [50, 3]
    small = await pages(lab.service.list_job_runs, "jobRuns", applicationId=application_id, maxResults=20)
    assert [run["id"] for page in small for run in page] == runs[::-1]
    whole = await pages(lab.service.list_job_runs, "jobRuns", applicationId=application_id, maxResults=50)
    assert [len(page) for page in whole] == [50, 3]


async def test_runs_that_come_between_two_pages_shift_nothing(lab: Lab) -> None:
    application_id = await lab.application()
    runs = [await lab.submit(application_id) for _ in range(4)]
    first = await lab.service.list_job_runs(applicationId=application_id, maxResults=2)
    await lab.submit(application_id)
    second = await lab.service.list_job_runs(applicationId=application_id, maxResults=2, nextToken=first["nextToken"])
    assert [run["id"] for answer in (first, second) for run in answer["jobRuns"]] == runs[::-1]
    assert "nextToken" not in second


async def test_pages_of_attempts(lab: Lab) -> None:
    lab.script(FAIL)
    run_id = await lab.submit(await lab.application(), retryPolicy={"maxAttempts": 5})
    await lab.ended(run_id)
    found = await pages(lab.service.list_job_run_attempts, "jobRunAttempts", **lab.ids(run_id), maxResults=2)
    assert [[attempt["attempt"] for attempt in page] for page in found] == [[5, 4], [3, 2], [1]]


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "é",
        "\ud800",
        _encoded(5),
        _encoded([]),
        _encoded(["x", 1]),
        _encoded({"a": 1}),
        _encoded([None, "a"]),
        "[" * 900,
    ],
)
async def test_a_made_up_token(lab: Lab, token: str) -> None:
    with pytest.raises(ApiError, match="nextToken: is not a token of this listing") as caught:
        await lab.service.list_applications(nextToken=token)
    assert caught.value.code == "ValidationException"


async def test_a_token_of_another_listing(lab: Lab) -> None:
    application_id, other_id = await lab.application(), await lab.application()
    for _ in range(3):
        await lab.submit(application_id)
    answer = await lab.service.list_job_runs(applicationId=application_id, maxResults=1)
    token = answer["nextToken"]
    for call, params in (
        (lab.service.list_job_runs, {"applicationId": other_id}),
        (lab.service.list_job_runs, {"applicationId": application_id, "states": ["SUCCESS"]}),
        (lab.service.list_applications, {}),
    ):
        with pytest.raises(ApiError, match="nextToken"):
            await call(**params, nextToken=token)
    tampered = _encoded([json.loads(base64.urlsafe_b64decode(token))[0], "x"])
    with pytest.raises(ApiError, match="nextToken"):
        await lab.service.list_job_runs(applicationId=application_id, nextToken=tampered)
    assert await lab.service.list_job_runs(applicationId=application_id, nextToken=token, maxResults=50)


async def test_unknown_application(lab: Lab) -> None:
    with pytest.raises(ApiError) as caught:
        await lab.service.list_job_runs(applicationId="none")
    assert caught.value.code == "ResourceNotFoundException"
