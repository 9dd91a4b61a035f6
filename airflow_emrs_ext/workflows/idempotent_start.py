"""A task's own: found if an earlier try has started it, started if not, and never two at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import count
from typing import Any

from airflow_emrs_ext.aws.dispatch import start_of
from airflow_emrs_ext.aws.ownership_tags import (
    found_by,
    generation_of,
    is_named_after_task,
    is_same_request,
    marked,
    numbered,
    owner_tags,
    token,
)
from airflow_emrs_ext.aws.waiting import await_state, look
from airflow_emrs_ext.core.effects import Call, Effects, RunContext
from airflow_emrs_ext.core.formats import known
from airflow_emrs_ext.core.lineage import with_properties
from airflow_emrs_ext.core.service_clock import answered_at
from airflow_emrs_ext.exceptions import AccessDenied, EmrError, RequestConflict, WaitTimeout
from airflow_emrs_ext.resources import BILLABLE, RESOURCES, EndableKind, ResourceKind, Snapshot
from airflow_emrs_ext.shared.states import State
from airflow_emrs_ext.workflows import ASKED, STARTED
from airflow_emrs_ext.workflows.clear_epochs import Ages, ClearEpoch
from airflow_emrs_ext.workflows.lifecycle import (
    END_SECONDS,
    REPORT_SECONDS,
    Facts,
    is_over,
    request_end,
    request_end_best_effort,
    with_timeout,
)
from airflow_emrs_ext.workflows.orphans import created_at, end_active_of_task, left_active, name_left
from airflow_emrs_ext.workflows.started import count_as, look_at_started

# How long a start whose answer was lost is repeated to learn what it started, in seconds.
_REPEAT_SECONDS = 10.0

# How long the last of these requests may take.
_LAST_SECONDS = 60.0

# How long a client token is remembered at least, in seconds. The service does not say; what is older is looked for by
# its tags. A longer listing for each of hundreds of tries at once would be hours of its quota.
_REMEMBERED_SECONDS = 3600.0

# A task's parameters change between its tries a few times at most; more conflicts in a row have another reason.
_MOST_CONFLICTS = 10


def idempotent_start(
    ctx: RunContext,
    *,
    kind: str,
    request: Mapping[str, Any],
    token: str | None = None,
    seed: str = "",
    try_number: int = 1,
    epoch: Mapping[str, Any] | None = None,
    parents: Sequence[Mapping[str, str]] = (),
    reattach: bool = True,
) -> Effects[Facts]:
    """Start a resource for a task, or find the one that an earlier try of the task started.

    The client tokens of a task are a chain, one per generation: repeating the start with the token of a generation
    returns that generation's resource. One that is active, or has done its work while nobody was looking, is the
    task's; one that has ended another way is passed by, and so is one from before a person cleared the task, after its
    end. What is too old for its token is found by its tags: if it was started with the same parameters it is the
    task's, else it is ended before something else is started.

    :param kind: key of :data:`~airflow_emrs_ext.resources.RESOURCES`
    :param request: parameters of the start operation, without the client token
    :param token: a client token of the user's own; what it leads to is the task's, whatever has become of it
    :param seed: what the client tokens are made of
    :param try_number: the task's; of the first there is nothing of earlier ones to look for
    :param epoch: the fields of :class:`ClearEpoch`
    :param parents: Spark properties that name the parent, of each generation; those after the last have the last's
    :param reattach: ``False``: end what earlier tries have left active, whatever its parameters
    :return: the facts of the resource
    :raises RequestConflict: the start conflicts with something else than an earlier try's parameters
    """
    resource = RESOURCES[kind]
    if token is not None:
        ids = resource.ids_of((yield from start_of(resource)(ctx, **request, **{resource.api.token: token})))
        return (yield from look(resource, ids, ctx)).facts
    request = marked(request)
    of, first = _counted(resource, epoch, try_number, reattach)
    own = yield from _started_before(ctx, resource, of.began if try_number == 1 else None)
    if own is not None:
        return own.facts
    if try_number > 1:
        age = _REMEMBERED_SECONDS if reattach and not resource.is_found_by_name else 0.0
        found = yield from _adopt_active(ctx, resource, request, of, age=age)
        if found is not None:
            _note(ctx, {STARTED: resource.pick(found.facts)})
            return found.facts
    requests = _requests(resource, request, seed, parents, count(first))
    try:
        own = yield from _next_generation(ctx, resource, request, requests, of, try_number - 1)
    except AccessDenied as error:
        if try_number > 1:
            yield from name_left(ctx, resource, request, error, REPORT_SECONDS)
        raise
    assert own is not None, "unreachable: count() does not end"
    return own.facts


def idempotent_start_billable(
    ctx: RunContext, *, end_on_timeout: bool, reattach: bool = True, **arguments: Any
) -> Effects[Facts]:
    """As :func:`idempotent_start`, for what costs money.

    What may have been started is ended if the deadline comes before it is the task's.

    Any other error leaves it to the next try, which finds it by the same client token. It notes when it has asked for a
    start and what that has led to, for :func:`end_uncertain_start`.

    :param end_on_timeout: ``False``: it is left as it is then, too
    :param arguments: further ones of :func:`idempotent_start`
    """
    resource = BILLABLE[arguments["kind"]]

    def ask(call: Call) -> None:
        if call.operation == resource.starts and not ctx.notes.recall().get(ASKED):
            # Dates may be in whole seconds.
            asked = ctx.clock() + ctx.service.ahead - 1.0
            ctx.notes.note({ASKED: asked if ctx.service.is_known else True})

    ctx.notes.note({ASKED: False, **ctx.notes.recall()})
    try:
        return (yield from idempotent_start(replace(ctx, asks=ask), reattach=reattach, **arguments))
    except WaitTimeout as error:
        ids = {name: error.facts[name] for name in resource.id_names if name in error.facts}
        if end_on_timeout and "seed" in arguments:
            # An answer that was lost may have been the one of a start.
            yield from end_uncertain_start(ctx, reattach=reattach, **arguments)
        elif end_on_timeout and len(ids) == len(resource.id_names):
            yield from request_end_best_effort(ctx, kind=resource.key, ids=ids)
        raise


idempotent_start_billable.__wrapped__ = idempotent_start  # type: ignore[attr-defined]  # it takes the arguments of this one, too


def end_uncertain_start(
    ctx: RunContext,
    *,
    kind: str,
    request: Mapping[str, Any],
    seed: str,
    try_number: int,
    epoch: Mapping[str, Any],
    parents: Sequence[Mapping[str, str]] = (),
    reattach: bool = True,
    seconds: float | None = None,
) -> Effects[Facts]:
    """End what a task has started and not come to own: if its answer was not seen, the repeated request tells it.

    What was left by earlier tries is found by its tags, and so is what no answer tells of, once it can be listed.

    :param seconds: how long each request is repeated; ``None``: Airflow does not wait for it, nor asks again
    """
    resource, notes = RESOURCES[kind], ctx.notes.recall()
    how: dict[str, Any] = {"seconds": seconds or END_SECONDS, "raises": seconds is not None}
    by_tags: dict[str, Any] = {"kind": kind, "request": found_by(request), "before": ctx.clock()}
    is_asked, facts = notes.get(ASKED) is not False, {}
    if not is_asked and try_number == 1:
        ctx.log.info("No %s has been started yet", resource.name.lower())
        return {}
    if STARTED in notes:
        facts = yield from request_end_best_effort(ctx, kind=kind, ids=notes[STARTED], **how)
        # It may be an earlier try's, and so may another be that is active.
        has_tags = bool(by_tags["request"]["tags"])
        if try_number == 1 or not (has_tags or is_over(resource, facts.get("state"))):
            return facts
        is_asked = not has_tags
    # Where no token makes it harmless, a start is not repeated to be ended: what it has led to is listed.
    is_uncertain = is_asked and resource.is_found_by_name and STARTED not in notes
    is_asked = is_asked and not resource.is_found_by_name
    brief = with_timeout(ctx, seconds or _REPEAT_SECONDS)
    # What comes after as many generations as there were tries is another try's.
    of, first = _counted(resource, epoch, try_number, reattach)
    requests = _requests(resource, marked(request), seed, parents, range(first, try_number))
    # What a repeated request may start before it is given up is the task's, too.
    until = ctx.clock() + ctx.service.ahead + brief.wait_policy.call_patience + _LAST_SECONDS
    later = {**by_tags, "before": until, "is_service_time": ctx.service.is_known}
    try:
        with nullcontext() if how["raises"] else ctx.notes.ending("end_active_of_task", later):
            if not is_asked:
                rest = yield from end_active_of_task(brief, **by_tags, seconds=seconds or _REPEAT_SECONDS)
                if is_uncertain and not rest["ended"]:
                    ctx.log.warning(
                        "Whether a %s was started is not known: a request may have been made, and nothing of the task "
                        "is listed. If one appears, end it: %s",
                        resource.name.lower(),
                        by_tags["request"],
                    )
                return {**facts, **rest}
            own = yield from _next_generation(brief, resource, marked(request), requests, of, try_number - 1)
    except EmrError as error:
        if how["raises"]:
            raise
        ctx.log.warning("Whether a %s was started is not known: %s", resource.name.lower(), error)
        return {}
    if own is None:
        return facts
    return (yield from request_end_best_effort(ctx, kind=kind, ids=resource.pick(own.facts), **how))


def _started_before(ctx: RunContext, kind: ResourceKind[State], began: float | None) -> Effects[Snapshot | None]:
    """What another process of this very try has started, if that is known, and of use.

    :param began: when the first try began at the earliest, if this is it
    """
    notes = ctx.notes.recall()
    asked = notes.get(ASKED)
    since = asked if isinstance(asked, float) else began
    if STARTED not in notes or since is None:
        return None
    try:
        snapshot = yield from look(kind, notes[STARTED], ctx)
    except EmrError as error:
        error.facts = {**notes[STARTED], **error.facts}
        raise
    return snapshot if created_at(snapshot) >= since and kind.is_useful(snapshot.state) else None


def _counted(
    kind: ResourceKind[State], epoch: Mapping[str, Any] | None, try_number: int, reattach: bool
) -> tuple[ClearEpoch, int]:
    """What counts of what a task has started, and the number of the first generation that a try asks for.

    Without ``reattach`` each try has client tokens of its own, and the generation that it makes has the try's number:
    so it knows its own, of another process of this very try, too, from what earlier tries have left.

    Of a kind that is found by its name whatever is active is listed by each try, so that the generations after a clear
    may have the numbers of the tries: none that is active is one from before it, and needs another tag.
    """
    of = ClearEpoch(**known(ClearEpoch, epoch or {}))
    if reattach and kind.is_found_by_name:
        # Who lowers `retries` makes Airflow's number of earlier tries look larger than it is.
        of = replace(of, tries=min(of.tries, try_number - 1))
        return of, of.tries
    if reattach:
        return of, 0
    return replace(of, tries=try_number - 1, ends=True), try_number - 1


def _next_generation(
    ctx: RunContext,
    kind: ResourceKind[State],
    request: Mapping[str, Any],
    requests: Iterable[tuple[int, dict[str, Any]]],
    epoch: ClearEpoch,
    newest: int,
) -> Effects[Snapshot | None]:
    """The first of the generations that is of use, started if it is not there yet.

    :param requests: of each generation, with its number
    :param newest: the first generation that no earlier try can have made, as each makes one at most
    """
    conflicts = 0
    ages = Ages(epoch, newest, ctx.clock(), ctx.notes.recall().get(ASKED))
    for generation, start in requests:
        try:
            started = yield from start_of(kind)(ctx, **start)
        except RequestConflict:
            # An earlier try sent other parameters with this token; its name may have been another one, too.
            conflicts += 1
            if conflicts == _MOST_CONFLICTS:
                raise
            if conflicts == 1:
                is_named = is_named_after_task(request, kind.name_of)
                # One that was started with this request is not what the start conflicts with.
                own = yield from _adopt_active(ctx, kind, request, epoch, named=is_named)
                if own is not None:
                    return own
            continue
        ids = kind.ids_of(started)
        ages.note_answer(answered_at(started), ctx.clock())
        first = {} if ages.first_asked is None else {ASKED: ages.first_asked}
        _note(ctx, {STARTED: ids, **first})
        try:
            snapshot = yield from look_at_started(kind, ids, started, ctx)
            is_own, is_of_this_try = ages.judge(generation, snapshot.state, created_at(snapshot))
            is_early = generation < epoch.tries and snapshot.state.is_active
            if epoch.ends and is_early and owner_tags(start.get("tags") or {}):
                # Before the clear there were fewer of them than tries: a tag tells those that are from after it.
                if is_of_this_try:
                    yield from count_as(ctx, kind, ids, started, epoch.tries)
                else:
                    snapshot = yield from look(kind, ids, ctx)
                    is_own = generation_of(snapshot.facts["tags"]) >= epoch.tries
            # What costs nothing is not ended, but its end is waited for: the next one takes its place.
            if isinstance(kind, EndableKind) and (
                snapshot.state == kind.ending or (kind.key in BILLABLE and not is_own)
            ):
                snapshot = yield from _end_and_wait(ctx, kind, ids, snapshot)
        except EmrError as error:
            error.facts = {**ids, **error.facts}
            raise
        # One that failed at once is the task's, too: others would fail as fast.
        if (is_own and kind.is_useful(snapshot.state)) or (snapshot.state == kind.failure and is_of_this_try):
            ctx.log.info("%s is %s, the task's generation %d", kind.label(ids), snapshot.state, generation)
            return snapshot
        ctx.log.info("%s of an earlier try is %s: passed by", kind.label(ids), snapshot.state)
        _note(ctx)
    return None


def _note(ctx: RunContext, more: Mapping[str, Any] | None = None) -> None:
    """Note that a start has been asked for, when, and what else is known."""
    ctx.notes.note({ASKED: ctx.notes.recall().get(ASKED) or True, **(more or {})})


def _requests(
    kind: ResourceKind[State],
    request: Mapping[str, Any],
    seed: str,
    parents: Sequence[Mapping[str, str]],
    generations: Iterable[int],
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The request of each generation, the same in each try."""
    for generation in generations:
        own = numbered(request, generation)
        if parents:
            own = with_properties(own, parents[min(generation, len(parents) - 1)])
        yield generation, {**own, kind.api.token: token(seed, generation, kind.api.longest_token)}


def _adopt_active(
    ctx: RunContext,
    kind: ResourceKind[State],
    request: Mapping[str, Any],
    epoch: ClearEpoch,
    *,
    named: bool = True,
    age: float = 0.0,
) -> Effects[Snapshot | None]:
    """The newest active resource of the task's earlier tries that was started with this request; the others are ended.

    :param epoch: what of them the task goes on with
    :param named: look only at those that have the request's name, to spare a call for each of an application's others
    :param age: look only at those that were created so many seconds ago, to spare pages
    """
    own: Snapshot | None = None
    resource = BILLABLE.get(kind.key)
    for ids, snapshot in (yield from left_active(ctx, kind, request, named, age)):
        tags = snapshot.facts["tags"]
        is_todays = epoch.includes(generation_of(tags), snapshot.state)
        is_alike = is_same_request(tags, request["tags"]) and snapshot.state not in kind.on_the_way_out()
        if own is None and is_todays and is_alike:
            ctx.log.info("%s of an earlier try is %s: going on with it", kind.label(ids), snapshot.state)
            own = snapshot
        elif resource is not None:
            yield from _end_and_wait(ctx, resource, ids, snapshot)
        else:
            ctx.log.warning("%s of an earlier try is %s, and stays", kind.label(ids), snapshot.state)
    return own


def _end_and_wait(
    ctx: RunContext, kind: EndableKind[State], ids: Mapping[str, str], snapshot: Snapshot
) -> Effects[Snapshot]:
    """End what an earlier try has left, unless it ends already, and wait until it is over."""
    if snapshot.state.is_terminal:
        return snapshot
    if snapshot.state == kind.ending:
        ctx.log.info("%s of an earlier try is %s; waiting for its end", kind.label(ids), snapshot.state)
    else:
        ctx.log.info("%s of an earlier try is %s: %s it", kind.label(ids), snapshot.state, kind.verb)
        yield from request_end(ctx, kind, ids)
    return (yield from await_state(kind, ids, [state for state in kind.states if state.is_terminal], ctx))
