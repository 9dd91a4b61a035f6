"""Tags, log delivery, records, listeners, and the service's own beginning and end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.runner import AttemptSpec
from tests.endpoint.local.services.emr_serverless.lab import FAIL, HOLD, PASS, Lab, SlowToStop

MakeLab = Callable[..., Lab]


async def test_tags(lab: Lab) -> None:
    service = lab.service
    application_id = await lab.application(tags={"a": "1"})
    run_id = await lab.submit(application_id, tags={"x": "y"})
    arns = (await lab.get_application(application_id))["arn"], (await lab.get(run_id))["arn"]
    assert [(await service.list_tags_for_resource(resourceArn=arn))["tags"] for arn in arns] == [{"a": "1"}, {"x": "y"}]
    for arn in arns:
        await service.tag_resource(resourceArn=arn, tags={"a": "2", "b": ""})
        await service.untag_resource(resourceArn=arn, tagKeys=["a", "never"])
    assert (await lab.get_application(application_id))["tags"] == {"b": ""}
    assert (await lab.get(run_id))["tags"] == {"x": "y", "b": ""}
    await service.tag_resource(resourceArn=arns[0], tags={str(n): "" for n in range(49)})
    with pytest.raises(ApiError, match="at most 50 tags, this one would have 51") as caught:
        await service.tag_resource(resourceArn=arns[0], tags={"more": ""})
    assert caught.value.code == "ValidationException"
    with pytest.raises(ApiError, match=r"tags\.AWS:x"):
        await service.tag_resource(resourceArn=arns[0], tags={"AWS:x": ""})


async def test_tags_of_nothing(lab: Lab) -> None:
    application_id = await lab.application()
    arn = (await lab.get_application(application_id))["arn"]
    for wrong in (
        arn + "x",
        arn + "/jobruns/none",
        arn + "/sessions/none",
        arn.replace("us-east-1", "eu-west-1"),
        arn.replace("123456789012", "210987654321"),
        arn.replace("arn:aws:", "arn:aws-cn:"),
    ):
        for call, params in (
            (lab.service.list_tags_for_resource, {}),
            (lab.service.tag_resource, {"tags": {}}),
            (lab.service.untag_resource, {"tagKeys": ["a"]}),
        ):
            with pytest.raises(ApiError, match="does not exist") as caught:
                await call(resourceArn=wrong, **params)
            assert caught.value.code == "ResourceNotFoundException"


class Delivery:
    """Notes what is asked of it."""

    def __init__(self, spec: AttemptSpec, files: Mapping[tuple[str, str], Path], broken: bool = False) -> None:
        self.spec, self.files, self.broken = spec, files, broken
        self.calls: list[str] = []

    async def run(self) -> None:
        self.calls.append("run")
        if self.broken:
            raise OSError("no such bucket")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.calls.append("cancelled")
            raise

    async def finish(self) -> None:
        self.calls.append("finish")
        if self.broken:
            raise OSError("no such bucket")


@pytest.mark.parametrize("ending", ["success", "cancel"])
async def test_logs_are_delivered_per_attempt_and_are_complete_at_the_end(make_lab: MakeLab, ending: str) -> None:
    deliveries: list[Delivery] = []

    def deliver(spec: AttemptSpec, files: Mapping[tuple[str, str], Path]) -> Delivery:
        deliveries.append(Delivery(spec, files))
        return deliveries[-1]

    lab = make_lab(deliver_logs=deliver)
    lab.script(FAIL, HOLD)
    calls_at_the_end: list[list[str]] = []

    def heard(transition: Any) -> None:
        if transition.change.state.is_terminal:
            calls_at_the_end.extend(list(delivery.calls) for delivery in deliveries)

    lab.service.listeners.append(heard)
    run_id = await lab.submit(await lab.application(), retryPolicy={"maxAttempts": 2})
    await lab.eventually(lambda: lab.path(run_id).count("RUNNING") == 2)
    if ending == "success":
        lab.runner.finish(run_id)
    else:
        await lab.cancel(run_id)
    await lab.ended(run_id)
    assert calls_at_the_end == [["run", "cancelled", "finish"]] * 2
    assert [delivery.spec.attempt for delivery in deliveries] == [1, 2]
    assert set(deliveries[0].files) == {("SPARK_DRIVER", "STDOUT"), ("SPARK_DRIVER", "STDERR")}


async def test_logs_that_cannot_be_delivered_fail_nothing(make_lab: MakeLab) -> None:
    lab = make_lab(deliver_logs=lambda spec, files: Delivery(spec, files, broken=True))
    assert (await lab.ended(await lab.submit(await lab.application())))["state"] == "SUCCESS"


async def test_a_delivery_that_cannot_even_begin_leaves_no_driver_behind(make_lab: MakeLab) -> None:
    def deliver(spec: AttemptSpec, files: Mapping[tuple[str, str], Path]) -> Delivery:
        raise OSError("no such bucket")

    runner = SlowToStop()
    runner.may_end.set()
    lab = make_lab(runner=runner, deliver_logs=deliver)
    run = await lab.ended(await lab.submit(await lab.application()))
    assert (run["state"], run["stateDetails"]) == ("FAILED", "no such bucket")
    assert runner.graces == [0]


async def test_the_timeout_does_not_strike_while_the_last_logs_are_delivered(make_lab: MakeLab) -> None:
    class Slow(Delivery):
        async def finish(self) -> None:
            await asyncio.sleep(0.1)

    lab = make_lab(deliver_logs=Slow)
    run_id = await lab.submit(await lab.application(), executionTimeoutMinutes=5)
    assert (await lab.ended(run_id))["state"] == "SUCCESS"


async def test_close_ends_everything(make_lab: MakeLab) -> None:
    deliveries: list[Delivery] = []

    def deliver(spec: AttemptSpec, files: Mapping[tuple[str, str], Path]) -> Delivery:
        deliveries.append(Delivery(spec, files))
        return deliveries[-1]

    lab = make_lab(deliver_logs=deliver)
    lab.script(HOLD, name="hold")
    application_id = await lab.application(schedulerConfiguration={"maxConcurrentRuns": 1})
    held = await lab.submit(application_id, name="hold")
    queued = await lab.submit(application_id)
    await lab.run_in(held, "RUNNING")
    await lab.run_in(queued, "QUEUED")
    await lab.service.create_application(type="SPARK", releaseLabel="emr-7.5.0", clientToken="x")
    await lab.close()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert deliveries[0].calls == ["run", "cancelled"]
    assert (await lab.get(held))["state"] == "RUNNING"
    with pytest.raises(ApiError, match="The endpoint is ending") as caught:
        await lab.submit(application_id)
    assert caught.value.code == "InternalServerException"


async def test_reset(make_lab: MakeLab) -> None:
    runner = SlowToStop()
    runner.may_end.set()
    lab = make_lab(runner=runner, quota_scale=1)
    application_id = await lab.application()
    run_id = await lab.submit(application_id, clientToken="t")
    await lab.run_in(run_id, "RUNNING")
    token = await lab.dashboard_token(run_id)
    work_dir = runner.specs[0].work_dir
    await lab.service.reset()
    assert runner.graces == [0]
    assert lab.service.applications.records() == lab.service.job_runs.records() == []
    assert not work_dir.exists()
    with pytest.raises(ApiError, match="expired or was used"):
        await lab.service.dashboards.redeem(token)
    again = await lab.submit(await lab.application(), clientToken="t")
    assert again != run_id
    await lab.run_in(again, "RUNNING")


async def test_records_are_plain_json(lab: Lab) -> None:
    application_id = await lab.application(runtimeConfiguration=[{"classification": "spark", "properties": {"a": "1"}}])
    run_id = await lab.submit(application_id, retryPolicy={"maxAttempts": 2})
    other = await lab.submit(await lab.application())
    await lab.ended(run_id)
    await lab.ended(other)
    for records in (lab.service.applications.records(), lab.service.job_runs.records()):
        assert json.loads(json.dumps(records)) == records
    (record,) = lab.service.job_runs.records(application_id)
    assert record["classifications"] == {"spark": {"a": "1"}}
    assert [change.keys() for change in record["stateHistory"]] == [{"state", "at", "details", "attempt"}] * 5


async def test_a_defect_ends_the_run(lab: Lab) -> None:
    application_id = await lab.application()

    def defective(transition: Any) -> None:
        if transition.change.state == "SCHEDULED":
            raise ZeroDivisionError

    lab.service.listeners.append(defective)
    run = await lab.ended(await lab.submit(application_id))
    assert (run["state"], run["stateDetails"]) == ("FAILED", "Internal error of the local endpoint; see its log.")
    assert lab.record("application", application_id)["activeJobRuns"] == []


async def test_listeners_hear_every_change(lab: Lab) -> None:
    lab.script(FAIL, PASS)
    application_id = await lab.application()
    run_id = await lab.submit(application_id, retryPolicy={"maxAttempts": 2})
    await lab.ended(run_id)
    heard = [t for t in lab.transitions if t.resource.id == run_id]
    assert [t.change.state for t in heard] == lab.path(run_id)
    assert [t.previous for t in heard] == [None, *lab.path(run_id)[:-1]]
    assert [t.change.attempt for t in heard] == [1] * 4 + [2] * 5
