"""Applications: settings, defaults, updates, client tokens."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from airflow_emrs_ext.local.base.errors import ApiError
from tests.endpoint.local.services.emr_serverless.lab import HOLD, Lab

MakeLab = Callable[..., Lab]
NEW = {"type": "SPARK", "releaseLabel": "emr-7.5.0"}


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
            "schedulerConfiguration: job concurrency and queuing are supported from release emr-7.0.0",
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
    assert lab.service.applications.records() == []


async def test_client_tokens(lab: Lab) -> None:
    first = await lab.service.create_application(**NEW, clientToken="t", name="a")
    assert await lab.service.create_application(**NEW, clientToken="t", name="a") == first
    with pytest.raises(ApiError, match="clientToken: t was used") as caught:
        await lab.service.create_application(**NEW, clientToken="t", name="b")
    assert caught.value.code == "ConflictException"
    assert len(lab.service.applications.records()) == 1


async def test_unknown_application(lab: Lab) -> None:
    for operation in ("get", "update", "start", "stop", "delete"):
        with pytest.raises(ApiError, match="Application none does not exist") as caught:
            await getattr(lab.service, f"{operation}_application")(applicationId="none", clientToken="t")
        assert caught.value.code == "ResourceNotFoundException"


async def test_update(lab: Lab) -> None:
    application_id = await lab.application(
        name="etl", maximumCapacity={"cpu": "16 vCPU", "memory": "64 GB"}, networkConfiguration={"subnetIds": ["s-1"]}
    )
    params = {
        "applicationId": application_id,
        "clientToken": "u",
        "releaseLabel": "emr-7.13.0",
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
            "releaseLabel": "emr-7.13.0",
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
