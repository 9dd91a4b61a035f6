"""Running a workflow for a deferred task, apart from the trigger, which other processes import, too."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any

from airflow_emrs_ext.aws.ownership_tags import digest_of_deployment
from airflow_emrs_ext.core.deployment import deployments_here
from airflow_emrs_ext.core.effects import Log, Notes, OwnNotes, RunContext, WaitPolicy
from airflow_emrs_ext.core.formats import known
from airflow_emrs_ext.hooks.base import EmrHook
from airflow_emrs_ext.resources import RESOURCES
from airflow_emrs_ext.runtime.shared_driver import SharedDriver, shared_driver
from airflow_emrs_ext.workflows.registry import WORKFLOWS

log: logging.Logger = logging.getLogger(__name__)

_CONNECTION = ("aws_conn_id", "region_name", "verify", "config")

# How long each call is repeated for a trigger that is no more; the next look at the journal does it again.
_SECONDS = 60.0

REPORT_SECONDS = 30.0
"""How long a trigger waits for a report; a worker makes it then."""

TURN_SECONDS = 5.0
"""How long it waits before that for the turn of its first call, where hundreds end at once."""


@cache
def _freeze() -> None:
    """With the first task of a triggerer: the garbage collector need not look at all that Airflow has imported.

    None of it will ever be garbage. A pass over it stops every trigger for a fifth of a second, and a few hundred tasks
    are enough to start one.
    """
    gc.freeze()


def sharing(hook: Mapping[str, Any]) -> AbstractAsyncContextManager[SharedDriver]:
    """A block that keeps what all share that wait with the same connection.

    :param hook: arguments of :class:`~airflow_emrs_ext.hooks.base.EmrHook`
    """
    _freeze()
    return shared_driver(_connection(hook), EmrHook)


async def run(
    workflow: str,
    arguments: Mapping[str, Any],
    *,
    wait_policy: Mapping[str, Any],
    hook: Mapping[str, Any],
    log: Log,
    notes: Notes | None,
) -> dict[str, Any]:
    """Run a workflow with what all share that wait with the same connection.

    :param wait_policy: the fields of :class:`~airflow_emrs_ext.core.effects.WaitPolicy`
    :param hook: arguments of :class:`~airflow_emrs_ext.hooks.base.EmrHook`
    :param notes: ``None``: nothing is left to the next
    """
    function = WORKFLOWS[workflow]
    async with sharing(hook) as driver:
        ctx = RunContext(
            wait_policy=WaitPolicy.of(wait_policy),
            log=log,
            notes=notes or OwnNotes(),
            recent=driver.recent,
            service=driver.service,
        )
        return await driver.run(function(ctx, **known(function, arguments)))


async def report(
    workflow: str, arguments: Mapping[str, Any], *, wait_policy: Mapping[str, Any], hook: Mapping[str, Any], log: Log
) -> dict[str, Any] | None:
    """Run a workflow that tells of something that is over; others' waits come first.

    :return: ``None``: its turn comes too late
    :raises TimeoutError: it takes too long
    """
    call = RESOURCES[arguments["kind"]].describe(arguments["ids"])
    async with sharing(hook) as driver:
        pause = driver.poller.rate_limiter.take_look_within(call.service, call.operation, TURN_SECONDS)
        if pause is None:
            return None
        await asyncio.sleep(pause)
        told = run(workflow, arguments, wait_policy=wait_policy, hook=hook, log=log, notes=None)
        return await asyncio.wait_for(told, REPORT_SECONDS)


def end_what_was_left(entry: Mapping[str, Any]) -> None:
    """Run what is to be run when a deferred task is killed, for a trigger that is no more.

    :param entry: the trigger's in the journal
    :raises OtherDeployment: it is of another Airflow
    """
    wait_policy = WaitPolicy.of({**entry["wait_policy"], "deadline": None, "access_patience": _SECONDS})
    hook = EmrHook(**_connection(entry["hook"]), wait_policy=wait_policy)
    function = WORKFLOWS[entry["on_kill_workflow"]]
    except_states = () if entry.get("is_ended") else entry["arguments"].get("target_states", ())
    arguments = {**entry["on_kill_arguments"], "except_states": except_states, "seconds": _SECONDS, "is_here": _is_here}
    hook.run(function(RunContext(wait_policy=wait_policy, log=log), **known(function, arguments)))


def _is_here(deployment: str) -> bool:
    here = deployments_here()
    return deployment in here or deployment in map(digest_of_deployment, here)


def _connection(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: parameters[name] for name in _CONNECTION if name in parameters}
