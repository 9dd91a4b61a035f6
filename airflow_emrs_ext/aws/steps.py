"""A step that is added once: what AddJobFlowSteps has no client token for, its name and ListSteps do."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_emrs_ext.aws.ec2 import adding, list_steps, steps_call
from airflow_emrs_ext.aws.retry import patiently
from airflow_emrs_ext.core.effects import Effects, RunContext, Sleep
from airflow_emrs_ext.core.owner_names import REQUEST, has_token, marked_name
from airflow_emrs_ext.exceptions import EmrError, RequestConflict, WaitTimeout
from airflow_emrs_ext.resources import STEP

Structure = Mapping[str, Any]

_RUNNER = "command-runner.jar"

# How long AWS takes a request after the time that its signature says, in seconds, and how long what has been added may
# not be listed yet. A request that was lost has certainly added nothing once both are over and nothing is listed.
_SIGNED_SECONDS = 300.0
_APPEARANCE_SECONDS = 60.0

# The pauses between two looks meanwhile, in seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 20.0


def add_step(
    ctx: RunContext,
    /,
    *,
    cluster_id: str,
    client_request_token: str,
    name: str,
    tags: Mapping[str, str],
    job_driver: Structure | None = None,
    hadoop_jar_step: Structure | None = None,
    execution_role_arn: str | None = None,
    **members: Any,
) -> Effects[dict[str, Any]]:
    """Add a step to a cluster (AddJobFlowSteps), or find the one that was added with this token before (ListSteps).

    The token and the tags become a part of its name. A request whose answer was lost is repeated only once it has
    certainly added nothing: AWS takes it no more, and nothing is listed.

    :param client_request_token: tells this step from any other
    :param job_driver: ``{"sparkSubmit": {…}}``, with options as text
    :param hadoop_jar_step: what is run instead, in the API's own form
    :param members: further ones of the step, in the API's own form
    :return: ``ClusterId`` and ``StepId``
    :raises RequestConflict: one was added with this token and other parameters
    """
    own_name = marked_name(name, tags, client_request_token)
    found = yield from _find(ctx, cluster_id, client_request_token)
    if found is not None:
        if (STEP.tags_listed(found) or {}).get(REQUEST) != tags[REQUEST]:
            ids = STEP.ids_of(found)
            said = f"{STEP.label(ids)} of cluster {cluster_id} was added by an earlier try with other parameters."
            raise RequestConflict(said, ids)
        return (yield from _told(ctx, found))
    what = hadoop_jar_step if job_driver is None else _spark_submit(job_driver)
    call = steps_call(cluster_id, [{"Name": own_name, "HadoopJarStep": what, **members}], execution_role_arn)

    def settle(failure: Exception) -> Effects[dict[str, Any] | None]:
        made = yield from _settled(ctx, cluster_id, client_request_token, own_name, failure)
        return None if made is None else (yield from _told(ctx, made))

    answer = yield from adding(ctx, call, 1, settle)
    return {"ClusterId": cluster_id, "StepId": answer["StepIds"][0], **answer}


def _told(ctx: RunContext, found: Structure) -> Effects[dict[str, Any]]:
    """The answer to a start that has led to a step before; by the date of an answer it is told how old that is."""
    ids = STEP.ids_of(found)
    described = yield from patiently(STEP.describe(ids), ctx)
    members = {"ClusterId": ids["cluster_id"], "StepId": ids["step_id"], "StepIds": [ids["step_id"]]}
    return {**members, "ResponseMetadata": described.get("ResponseMetadata", {})}


def _find(ctx: RunContext, cluster_id: str, token: str) -> Effects[dict[str, Any] | None]:
    """The step with a token: the first of them, as whoever clones a step in the console may leave its name."""
    listed = yield from list_steps(ctx, cluster_id)
    return next((one for one in reversed(listed) if has_token(one.get("Name") or "", token)), None)


def _settled(
    ctx: RunContext, cluster_id: str, token: str, name: str, failure: Exception
) -> Effects[dict[str, Any] | None]:
    """What a request has added whose answer was lost; ``None``: certainly nothing."""
    ids = {"cluster_id": cluster_id, "name": name}
    until = ctx.clock() + max(0.0, -ctx.service.ahead) + _SIGNED_SECONDS + _APPEARANCE_SECONDS
    ctx.log.warning(
        "add_job_flow_steps: %s; whether it has added step %r to cluster %s is not known: the step is looked for, for "
        "%.0f s at least, before anything is added again",
        failure,
        name,
        cluster_id,
        until - ctx.clock(),
    )
    pause = _FIRST_PAUSE
    try:
        while True:
            asked = ctx.clock()
            found = yield from _find(_insistent(ctx), cluster_id, token)
            if found is not None or asked >= until:
                return found
            left = ctx.wait_policy.before_deadline(until) - ctx.clock()
            if left <= 0 and ctx.clock() < until:
                raise WaitTimeout(f"The deadline came first: raise {ctx.wait_policy.limit}.", ids)
            yield Sleep(min(pause, max(left, 0.0)))
            pause = min(2 * pause, _LONGEST_PAUSE)
    except EmrError as error:
        error.restate(
            f"{error.message} Whether the step was added is not known: a request was sent, and its answer was lost "
            f"({failure}). Look for {name!r} among the steps of cluster {cluster_id}; the task's next try does.",
            {**ids, **error.facts},
        )
        raise


def _insistent(ctx: RunContext) -> RunContext:
    """RunContext for what has to be known before anything is done: only the deadline ends it."""
    if not ctx.settles_starts:
        return ctx
    return replace(ctx, wait_policy=replace(ctx.wait_policy, call_patience=math.inf, access_patience=math.inf))


def _spark_submit(job_driver: Structure) -> dict[str, Any]:
    """A driver of EMR Serverless' form as what the cluster's own spark-submit is called with."""
    driver = job_driver["sparkSubmit"]
    options = shlex.split(driver.get("sparkSubmitParameters", ""))
    words = ["spark-submit", *options, driver["entryPoint"], *driver.get("entryPointArguments", [])]
    return {"Jar": _RUNNER, "Args": words}
