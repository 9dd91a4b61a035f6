"""Applications: settings, states, auto-stop."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from airflow_emrs_ext.local.errors import ApiError
from tests.unit.local.emr_serverless.lab import HOLD, Lab

MakeLab = Callable[..., Lab]
NEW = {"type": "SPARK", "releaseLabel": "emr-7.5.0"}


def states(lab: Lab, application_id: str) -> list[str]:
    return [change["state"] for change in lab.record("application", application_id)["stateHistory"]]


async def test_life(make_lab: MakeLab) -> None:
    lab = make_lab(application_start_seconds=0.02)
    service = lab.service
    created = await service.create_application(**NEW, clientToken="t", name="etl", tags={"a": "b"})
    application_id = created["applicationId"]
    assert created["name"] == "etl"
    assert created["arn"] == f"arn:aws:emr-serverless:us-east-1:123456789012:/applications/{application_id}"
    assert re.fullmatch("[0-9a-z]{1,64}", application_id)
    assert (await lab.get_application(application_id))["state"] == "CREATING"
    await lab.application_in(application_id, "CREATED")
    await service.start_application(applicationId=application_id)
    assert (await lab.get_application(application_id))["state"] == "STARTING"
    await lab.application_in(application_id, "STARTED")
    await service.stop_application(applicationId=application_id)
    assert (await lab.get_application(application_id))["state"] == "STOPPING"
    await lab.application_in(application_id, "STOPPED")
    await service.delete_application(applicationId=application_id)
    application = await lab.get_application(application_id)
    assert application["state"] == "TERMINATED"
    assert application["createdAt"] < application["updatedAt"]
    changes = lab.record("application", application_id)["stateHistory"]
    assert [c["state"] for c in changes] == [
        *["CREATING", "CREATED", "STARTING", "STARTED", "STOPPING", "STOPPED", "TERMINATED"]
    ]
    assert application["tags"] == {"a": "b"}


async def test_defaults(lab: Lab) -> None:
    created = await lab.service.create_application(**NEW, clientToken="t")
    application = await lab.get_application(created["applicationId"])
    assert "name" not in created
    assert (
        application.items()
        >= {
            "type": "Spark",
            "releaseLabel": "emr-7.5.0",
            "architecture": "X86_64",
            "autoStartConfiguration": {"enabled": True},
            "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 15},
            "schedulerConfiguration": {"maxConcurrentRuns": 15, "queueTimeoutMinutes": 360},
        }.items()
    )


@pytest.mark.parametrize(
    ("release", "given", "effective"),
    [
        ("emr-7.3.0", None, {"maxConcurrentRuns": 15, "queueTimeoutMinutes": 360}),
        ("emr-7.2.0", None, None),
        ("emr-6.15.0", None, None),
        ("emr-7.0.0", {}, {"maxConcurrentRuns": 15, "queueTimeoutMinutes": 360}),
        ("emr-7.5.0", {"maxConcurrentRuns": 2}, {"maxConcurrentRuns": 2, "queueTimeoutMinutes": 360}),
        ("emr-7.5.0", {"queueTimeoutMinutes": 15}, {"maxConcurrentRuns": 15, "queueTimeoutMinutes": 15}),
    ],
)
async def test_scheduler_configuration(lab: Lab, release: str, given: Any, effective: Any) -> None:
    extra = {} if given is None else {"schedulerConfiguration": given}
    application_id = await lab.application(releaseLabel=release, **extra)
    assert (await lab.get_application(application_id)).get("schedulerConfiguration") == effective


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"type": "FLINK"}, "type: must be SPARK or HIVE"),
        ({"releaseLabel": "7.5.0"}, "releaseLabel: '7.5.0' is no release label"),
        ({"releaseLabel": "emr-6.5.0"}, "releaseLabel: EMR Serverless has no release emr-6.5.0"),
        ({"releaseLabel": "emr-6.16.0"}, "releaseLabel: EMR Serverless has no release emr-6.16.0"),
        ({"releaseLabel": "emr-9.0.0"}, "releaseLabel: EMR Serverless has no release emr-9.0.0"),
        (
            {"releaseLabel": "emr-6.15.0", "schedulerConfiguration": {}},
            "schedulerConfiguration: is supported from release emr-7.0.0",
        ),
        ({"schedulerConfiguration": {"maxConcurrentRuns": 0}}, "schedulerConfiguration.maxConcurrentRuns: .* not 0"),
        ({"schedulerConfiguration": {"maxConcurrentRuns": 1001}}, "schedulerConfiguration.maxConcurrentRuns"),
        ({"schedulerConfiguration": {"queueTimeoutMinutes": 14}}, "schedulerConfiguration.queueTimeoutMinutes"),
        ({"schedulerConfiguration": {"queueTimeoutMinutes": 721}}, "schedulerConfiguration.queueTimeoutMinutes"),
        ({"initialCapacity": {"TezTask": {"workerCount": 1}}}, "initialCapacity.TezTask: a Spark application has"),
        (
            {
                "initialCapacity": {
                    "DRIVER": {"workerCount": 1, "workerConfiguration": {"cpu": "3 vCPU", "memory": "8 GB"}}
                }
            },
            "initialCapacity.DRIVER.workerConfiguration.cpu: workers have 1, 2, 4, 8 or 16 vCPUs, not 3",
        ),
        (
            {
                "initialCapacity": {
                    "DRIVER": {"workerCount": 1, "workerConfiguration": {"cpu": "8 vCPU", "memory": "17 GB"}}
                }
            },
            "initialCapacity.DRIVER.workerConfiguration.memory: .* 16 to 60 GB in steps of 4 GB, not 17",
        ),
        (
            {
                "initialCapacity": {
                    "EXECUTOR": {"workerCount": 3, "workerConfiguration": {"cpu": "4 vCPU", "memory": "8 GB"}}
                },
                "maximumCapacity": {"cpu": "8 vCPU", "memory": "100 GB"},
            },
            "initialCapacity: is more than maximumCapacity",
        ),
        (
            {"imageConfiguration": {"applicationLevelDigestResolution": True}},
            "imageConfiguration.imageUri: is required",
        ),
        ({"workerTypeSpecifications": {"Mapper": {}}}, "workerTypeSpecifications.Mapper"),
        ({"tags": {"aws:a": "b"}}, "tags.aws:a"),
        (
            {"runtimeConfiguration": [{"classification": "a"}, {"classification": "a"}]},
            "runtimeConfiguration.2.classification",
        ),
        (
            {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://"}}},
            "monitoringConfiguration.s3MonitoringConfiguration.logUri",
        ),
    ],
)
async def test_refused(lab: Lab, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError, match=message) as caught:
        await lab.service.create_application(**{**NEW, "clientToken": "t", **params})
    assert caught.value.code == "ValidationException"
    assert lab.service.application_records() == []


async def test_client_tokens(lab: Lab) -> None:
    first = await lab.service.create_application(**NEW, clientToken="t", name="a")
    assert await lab.service.create_application(**NEW, clientToken="t", name="a") == first
    with pytest.raises(ApiError, match="clientToken: t was used") as caught:
        await lab.service.create_application(**NEW, clientToken="t", name="b")
    assert caught.value.code == "ConflictException"
    assert len(lab.service.application_records()) == 1


@pytest.mark.parametrize(
    ("state", "operation", "allowed"),
    [
        ("CREATING", "start", False),
        ("CREATING", "stop", False),
        ("CREATING", "delete", False),
        ("CREATING", "update", False),
        ("CREATED", "start", True),
        ("CREATED", "stop", False),
        ("CREATED", "delete", True),
        ("CREATED", "update", True),
        ("STARTING", "start", True),
        ("STARTING", "stop", True),
        ("STARTING", "delete", False),
        ("STARTING", "update", False),
        ("STARTED", "start", True),
        ("STARTED", "stop", True),
        ("STARTED", "delete", False),
        ("STARTED", "update", False),
        ("STOPPING", "start", False),
        ("STOPPING", "stop", False),
        ("STOPPING", "delete", False),
        ("STOPPING", "update", False),
        ("STOPPED", "start", True),
        ("STOPPED", "stop", False),
        ("STOPPED", "delete", True),
        ("STOPPED", "update", True),
        ("TERMINATED", "start", False),
        ("TERMINATED", "stop", False),
        ("TERMINATED", "delete", False),
        ("TERMINATED", "update", False),
    ],
)
async def test_what_each_state_allows(make_lab: MakeLab, state: str, operation: str, allowed: bool) -> None:
    lab = make_lab(application_start_seconds=0.001)
    service = lab.service

    async def through(*ways: str) -> None:
        """Go through states, and stay long in the last one."""
        for way in ways:
            lab.config.application_start_seconds = 60 if way is ways[-1] and state.endswith("ING") else 0.001
            if way == "create":
                created.append((await service.create_application(**NEW, clientToken="t"))["applicationId"])
            else:
                await getattr(service, f"{way}_application")(applicationId=created[0])
            settled = {"create": "CREATED", "start": "STARTED", "stop": "STOPPED", "delete": "TERMINATED"}[way]
            if lab.config.application_start_seconds != 60:
                await lab.application_in(created[0], settled)

    created: list[str] = []
    ways = {
        "CREAT": ["create"],
        "START": ["create", "start"],
        "STOPP": ["create", "start", "stop"],
        "TERMI": ["create", "delete"],
    }
    await through(*ways[state[:5]])
    assert (await lab.get_application(created[0]))["state"] == state

    extra = {"clientToken": "u", "architecture": "ARM64"} if operation == "update" else {}
    call = getattr(service, f"{operation}_application")
    if allowed:
        await call(applicationId=created[0], **extra)
    else:
        with pytest.raises(ApiError, match=f"is {state} and cannot be .* in one of the following statuses") as caught:
            await call(applicationId=created[0], **extra)
        assert caught.value.code == "ValidationException"
        assert (await lab.get_application(created[0]))["state"] == state


async def test_unknown_application(lab: Lab) -> None:
    for operation in ("get", "update", "start", "stop", "delete"):
        with pytest.raises(ApiError, match="Application none does not exist") as caught:
            await getattr(lab.service, f"{operation}_application")(applicationId="none", clientToken="t")
        assert caught.value.code == "ResourceNotFoundException"


async def test_stop_while_starting(make_lab: MakeLab) -> None:
    lab = make_lab()
    application_id = await lab.application()
    await lab.service.start_application(applicationId=application_id)
    await lab.service.stop_application(applicationId=application_id)
    await lab.application_in(application_id, "STOPPED")
    assert states(lab, application_id) == ["CREATING", "CREATED", "STARTING", "STOPPING", "STOPPED"]


async def test_stop_with_active_runs(lab: Lab) -> None:
    lab.script(HOLD)
    application_id = await lab.application(schedulerConfiguration={"maxConcurrentRuns": 1})
    running, queued = await lab.submit(application_id), await lab.submit(application_id)
    await lab.run_in(running, "RUNNING")
    await lab.run_in(queued, "QUEUED")
    for run_id in (running, queued):
        with pytest.raises(ApiError, match=r"cannot be STOPPED. It has \d active job runs") as caught:
            await lab.service.stop_application(applicationId=application_id)
        assert caught.value.code == "ValidationException"
        await lab.cancel(run_id)
        await lab.ended(run_id)
    await lab.service.stop_application(applicationId=application_id)
    await lab.application_in(application_id, "STOPPED")


async def test_update(lab: Lab) -> None:
    application_id = await lab.application(
        name="etl", maximumCapacity={"cpu": "16 vCPU", "memory": "64 GB"}, networkConfiguration={"subnetIds": ["s-1"]}
    )
    params = {
        "applicationId": application_id,
        "clientToken": "u",
        "releaseLabel": "emr-7.6.0",
        "architecture": "ARM64",
        "autoStopConfiguration": {"idleTimeoutMinutes": 30},
        "networkConfiguration": {},
        "interactiveConfiguration": {"sessionEnabled": True},
    }
    updated = (await lab.service.update_application(**params))["application"]
    assert updated == await lab.get_application(application_id)
    assert (
        updated.items()
        >= {
            "name": "etl",
            "type": "Spark",
            "releaseLabel": "emr-7.6.0",
            "architecture": "ARM64",
            "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 30},
            "maximumCapacity": {"cpu": "16 vCPU", "memory": "64 GB"},
            "interactiveConfiguration": {"sessionEnabled": True},
        }.items()
    )
    assert "networkConfiguration" not in updated
    assert "clientToken" not in updated
    assert await lab.service.update_application(**params) == {"application": updated}
    with pytest.raises(ApiError, match="clientToken: u was used") as caught:
        await lab.service.update_application(**{**params, "architecture": "X86_64"})
    assert caught.value.code == "ValidationException"  # the operation declares no ConflictException


async def test_update_back_to_a_release_without_queuing(lab: Lab) -> None:
    application_id = await lab.application()
    updated = await lab.service.update_application(
        applicationId=application_id, clientToken="u", releaseLabel="emr-6.15.0"
    )
    assert "schedulerConfiguration" not in updated["application"]


async def test_the_concurrency_of_a_started_application_can_be_raised(lab: Lab) -> None:
    lab.script(HOLD)
    application_id = await lab.started_application(schedulerConfiguration={"maxConcurrentRuns": 1})
    first, second = await lab.submit(application_id), await lab.submit(application_id)
    await lab.run_in(first, "RUNNING")
    await lab.run_in(second, "QUEUED")
    await lab.service.update_application(
        applicationId=application_id, clientToken="u", schedulerConfiguration={"maxConcurrentRuns": 2}
    )
    await lab.run_in(second, "RUNNING")


async def test_auto_stop(lab: Lab) -> None:
    application_id = await lab.application(autoStopConfiguration={"enabled": True, "idleTimeoutMinutes": 2})
    await lab.service.start_application(applicationId=application_id)
    await lab.application_in(application_id, "STOPPED")
    application = await lab.get_application(application_id)
    assert application["stateDetails"] == "AUTO_STOPPING"
    assert states(lab, application_id)[-3:] == ["STARTED", "STOPPING", "STOPPED"]


async def test_no_auto_stop_while_a_run_is_active(lab: Lab) -> None:
    lab.script(HOLD)
    application_id = await lab.application(autoStopConfiguration={"enabled": True, "idleTimeoutMinutes": 2})
    run_id = await lab.submit(application_id)
    await lab.run_in(run_id, "RUNNING")
    await asyncio.sleep(0.05)
    assert (await lab.get_application(application_id))["state"] == "STARTED"
    lab.runner.finish(run_id)
    await lab.application_in(application_id, "STOPPED")


async def test_a_run_ends_the_idle_time(lab: Lab) -> None:
    application_id = await lab.started_application(autoStopConfiguration={"enabled": True, "idleTimeoutMinutes": 40})
    for _ in range(5):
        await asyncio.sleep(0.1)
        await lab.ended(await lab.submit(application_id))
    assert "STOPPING" not in states(lab, application_id)
    await lab.application_in(application_id, "STOPPED")


async def test_a_shorter_minute_counts_for_the_idle_time_that_is_running(make_lab: MakeLab) -> None:
    lab = make_lab(seconds_per_minute=60)
    application_id = await lab.started_application(autoStopConfiguration={"enabled": True})
    lab.config.seconds_per_minute = 0.001
    lab.service.config_changed()
    await lab.application_in(application_id, "STOPPED")


async def test_warm_workers_beyond_the_account(make_lab: MakeLab) -> None:
    lab = make_lab(quota_scale=1)
    worker = {"cpu": "4 vCPU", "memory": "16 GB"}
    application_id = await lab.application(
        initialCapacity={"EXECUTOR": {"workerCount": 5, "workerConfiguration": worker}}
    )
    with pytest.raises(ApiError, match="takes 20 vCPUs; the account may use 16 and uses 0") as caught:
        await lab.service.start_application(applicationId=application_id)
    assert caught.value.code == "ServiceQuotaExceededException"
    with pytest.raises(ApiError, match="takes 20 vCPUs") as caught:
        await lab.submit(application_id)
    assert caught.value.code == "ValidationException"  # StartJobRun declares no ServiceQuotaExceededException
    assert (await lab.get_application(application_id))["state"] == "CREATED"
