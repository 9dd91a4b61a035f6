"""The first look at what a start has led to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_emrs_ext.aws.ownership_tags import generation_tag
from airflow_emrs_ext.aws.retry import patiently
from airflow_emrs_ext.aws.waiting import look
from airflow_emrs_ext.core.effects import Effects, Observation, PollState, RunContext, Sleep
from airflow_emrs_ext.core.service_clock import answered_at, moment
from airflow_emrs_ext.exceptions import EmrError, ResourceNotFound, ServiceUnavailable
from airflow_emrs_ext.resources import ResourceKind, Snapshot
from airflow_emrs_ext.shared.states import State
from airflow_emrs_ext.workflows.lifecycle import with_timeout

# How long after its start something may not be found yet, in seconds, and how often it is looked for.
_APPEARANCE_SECONDS = 60.0
_APPEARANCE_PAUSE = 2.0

# How long a tag is tried, in seconds.
_TAG_SECONDS = 10.0


def look_at_started(
    kind: ResourceKind[State], ids: Mapping[str, str], started: Mapping[str, Any], ctx: RunContext
) -> Effects[Snapshot]:
    """What a start has led to; where many start, a listing shows those that are new together."""
    answered = moment(answered_at(started) or ctx.clock())
    wait_policy = ctx.wait_policy
    within = wait_policy.before_deadline(ctx.clock() + wait_policy.progress_interval) - ctx.clock()
    observation: Observation | None = yield PollState(
        kind.key, ids, None, answered.isoformat(), wait_policy.waiter_delay, within, is_started=True
    )
    if observation is None or observation.state is None or observation.created is None:
        return (yield from _look_at_new(kind, ids, ctx))
    facts = {
        **ids,
        "arn": started.get(kind.member("arn")),
        "state": observation.state,
        "created_at": moment(observation.created).isoformat(),
    }
    return Snapshot(kind.states.parse(observation.state), "", None, facts)


def count_as(
    ctx: RunContext, kind: ResourceKind[State], ids: Mapping[str, str], started: Mapping[str, Any], generation: int
) -> Effects[None]:
    """Tag what was started as a later generation than its client token's, for the tries after this one.

    :param started: the answer to the start
    """
    tags = generation_tag(generation)
    call = kind.tag(ids, started.get(kind.member("arn")), tags)
    try:
        yield from patiently(call, with_timeout(ctx, _TAG_SECONDS), lambda response: response)
    except EmrError as error:
        ctx.log.warning(
            "%s could not be tagged with %s: if this try is lost, the next one takes it for one from before the clear, "
            "and ends it. %s",
            kind.label(ids),
            tags,
            error,
        )


def _look_at_new(kind: ResourceKind[State], ids: Mapping[str, str], ctx: RunContext) -> Effects[Snapshot]:
    """A look at what a start has named, which may not be there for everybody at once.

    :raises ServiceUnavailable: the service says that it does not exist
    """
    until = ctx.wait_policy.before_deadline(ctx.clock() + _APPEARANCE_SECONDS)
    while True:
        try:
            return (yield from look(kind, ids, ctx))
        except ResourceNotFound as error:
            if ctx.clock() >= until:
                raise ServiceUnavailable(
                    f"{kind.label(ids)} was started, and {error.message} It is left as it is; the next try looks for "
                    "it again.",
                    {**error.facts, **ids},
                ) from error
        yield Sleep(_APPEARANCE_PAUSE)
