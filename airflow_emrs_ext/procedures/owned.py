"""What is done with whatever an operator has started: claim it, wait for it, end it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Any

from airflow_emrs_ext import serverless_api as api
from airflow_emrs_ext.exceptions import EmrError, RequestConflict, RequestRejected, ResourceNotFound
from airflow_emrs_ext.models import OWNED, OwnedKind, ResourceKind, Snapshot
from airflow_emrs_ext.ownership import owner_tags, token
from airflow_emrs_ext.states import State
from airflow_emrs_ext.steps import Steps, Terms
from airflow_emrs_ext.waiting import await_state, look, patiently

Facts = dict[str, Any]

# How long the end of something that nobody waits for is requested, in seconds. Airflow may end the task seconds after
# its deadline.
_END_SECONDS = 60.0

# How long a start whose answer was lost is repeated to learn what it started, in seconds.
_REPEAT_SECONDS = 10.0

# A task's parameters change between its tries a few times at most; more conflicts in a row have another reason.
_MOST_CONFLICTS = 10


def claim(terms: Terms, kind: OwnedKind[State], request: Mapping[str, Any], seed: str) -> Steps[Snapshot]:
    """Start a resource for a task, or find the one that an earlier try of the task started and that still serves.

    The client tokens of a task are a chain: one per generation. Repeating the start with the token of a generation
    returns that generation's resource. The first that is of use is the task's; one that has ended is passed by. So a
    try after a lost worker finds what was started, and a task started anew after an end gets a new one.

    :param request: parameters of the start operation, without the client token
    :param seed: what the client tokens are made of
    :raises RequestConflict: the start conflicts with something else than an earlier try's parameters
    """
    start = getattr(api, f"start_{kind.key}")
    conflicts = 0
    began: float | None = None
    for generation in count():
        try:
            started = yield from start(terms, **request, client_token=token(seed, generation))
        except RequestConflict:
            # An earlier try sent other parameters with this token.
            conflicts += 1
            if conflicts < _MOST_CONFLICTS:
                continue
            raise
        except EmrError:
            if conflicts:
                yield from _end_others(terms, kind, request, None)
            raise
        ids = kind.ids_of(started)
        began = _answered_at(started, terms) if began is None else began
        try:
            snapshot = yield from look(kind, ids, terms)
        except EmrError as error:
            error.facts = {**ids, **error.facts}
            raise
        created = datetime.fromisoformat(snapshot.facts["created_at"]).timestamp()
        # One that this very start has made and that failed at once is the task's, too: others would fail as fast.
        if kind.is_useful(snapshot.state) or (snapshot.state == kind.failure and created >= began):
            terms.log.info("%s is %s, the task's generation %d", kind.label(ids), snapshot.state, generation)
            if conflicts:
                yield from _end_others(terms, kind, request, ids)
            return snapshot
    raise AssertionError("unreachable: count() does not end")


def await_owned(
    terms: Terms, kind: OwnedKind[State], ids: Mapping[str, str], targets: Iterable[State], *, end_on_timeout: bool
) -> Steps[Snapshot]:
    """Wait until a resource is in one of ``targets``.

    :param end_on_timeout: request its end if the wait ends before it does
    """
    try:
        return (yield from await_state(kind, ids, targets, terms))
    except EmrError as error:
        error.facts = {**ids, **error.facts}
        if end_on_timeout and not isinstance(error, ResourceNotFound) and not _is_over(kind, error.facts.get("state")):
            yield from abandon(terms, kind=kind.key, ids=dict(ids))
        raise


def request_end(terms: Terms, kind: OwnedKind[State], ids: Mapping[str, str], **members: Any) -> Steps[Facts]:
    """End a resource without waiting for it; one that has ended, or ends meanwhile, is left as it is."""
    request = patiently(kind.end(ids, **members), terms)
    return (yield from insist(terms, kind, ids, request, kind.on_the_way_out()))


def abandon(terms: Terms, *, kind: str, ids: Mapping[str, str]) -> Steps[Facts]:
    """Request the end of what nobody waits for any more, and say so if it cannot be had.

    :param kind: key of :data:`~airflow_emrs_ext.models.OWNED`
    """
    owned = OWNED[kind]
    terms.log.info("%s: %s it, because nothing waits for it any more", owned.label(ids), owned.verb)
    try:
        return (yield from request_end(briefly(terms, _END_SECONDS), owned, ids))
    except ResourceNotFound:
        return dict(ids)
    except EmrError as error:
        # What ended the wait is the error to raise; this one is for the log.
        terms.log.warning("%s could not be ended and may still run: %s it. %s", owned.label(ids), owned.verb, error)
        return dict(ids)


def abandon_claim(terms: Terms, *, kind: str, request: Mapping[str, Any], seed: str) -> Steps[Facts]:
    """End what a task has started whose answer it did not see: the repeated request tells which it is."""
    owned = OWNED[kind]
    try:
        claimed = yield from claim(briefly(terms, _REPEAT_SECONDS), owned, request, seed)
    except EmrError as error:
        terms.log.warning("Whether a %s was started is not known: %s", owned.name.lower(), error)
        yield from _end_others(briefly(terms, _REPEAT_SECONDS), owned, request, None)
        return {}
    return (yield from abandon(terms, kind=kind, ids={name: claimed.facts[name] for name in owned.id_names}))


def active(terms: Terms, kind: OwnedKind[State], application_id: str) -> Steps[list[dict[str, str]]]:
    """The ids of an application's resources that have not ended."""
    states = [state for state in kind.states if state.is_active]
    listed = yield from getattr(api, f"list_{kind.key}s")(terms, application_id, states=states)
    return [kind.ids_of(one) for one in listed]


def _end_others(
    terms: Terms, kind: OwnedKind[State], request: Mapping[str, Any], own: Mapping[str, str] | None
) -> Steps[None]:
    """End what earlier tries of the task have started with other parameters."""
    owner = owner_tags(request.get("tags") or {})
    for ids in (yield from active(terms, kind, request["application_id"])) if owner else ():
        if ids == own:
            continue
        tags = (yield from look(kind, ids, terms)).facts["tags"]
        if owner.items() <= tags.items():
            yield from abandon(terms, kind=kind.key, ids=ids)


def insist(
    terms: Terms,
    kind: ResourceKind[State],
    ids: Mapping[str, str],
    request: Steps[Any],
    towards: Iterable[State],
) -> Steps[Facts]:
    """Make a request that changes a resource's state; refused is fine where the resource is on its way already.

    A repetition of a request whose answer was lost is refused that way, and so is one that another was faster with.

    :param towards: the states that the request leads to
    :return: the resource's ids, or its facts where the request was not needed
    """
    try:
        yield from request
    except (RequestRejected, RequestConflict):
        snapshot = yield from look(kind, ids, terms)
        if snapshot.state not in frozenset(towards):
            raise
        terms.log.info("%s is %s: nothing to do", kind.label(ids), snapshot.state)
        return snapshot.facts
    return dict(ids)


def briefly(terms: Terms, seconds: float) -> Terms:
    """Terms for what is done after the wait, whose deadline may have passed."""
    return replace(terms, patience=replace(terms.patience, call_patience=seconds, deadline=None))


def _answered_at(response: Mapping[str, Any], terms: Terms) -> float:
    """When the service answered, by its own clock, which is the one that dates resources; in whole seconds."""
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date).timestamp() if date else terms.clock()


def _is_over(kind: ResourceKind[State], state: str | None) -> bool:
    return state in kind.states.__members__ and kind.states(state).is_terminal
