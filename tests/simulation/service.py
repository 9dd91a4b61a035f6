"""The services, in memory: what was started, by which token, in which state it is, and what goes wrong with a call.

Answers are what boto3 gives: plain dicts with ``ResponseMetadata``, or botocore's exceptions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import formatdate
from functools import cache
from typing import Any, Protocol
from zlib import crc32

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from airflow_emrs_ext.resources import BILLABLE
from airflow_emrs_ext.shared.quotas import QUOTAS
from tests.simulation.histories import History, Run, Window

WALL = 1_800_000_000.0
"""When a history begins, in seconds since the epoch."""

LATENCY = 0.05
ODD_STATE = "PAUSED"

# How far each state is from the start, as a part of the time that it all lasts.
_COURSES: Mapping[str, Sequence[tuple[float, str]]] = {
    "job_run": ((0.0, "SUBMITTED"), (0.1, "PENDING"), (0.2, "SCHEDULED"), (0.4, "RUNNING")),
    "eks_job_run": ((0.0, "PENDING"), (0.1, "SUBMITTED"), (0.4, "RUNNING")),
    "session": ((0.0, "SUBMITTED"), (0.2, "STARTING")),
}
_ENDS: Mapping[str, Mapping[str, str]] = {
    "job_run": {"success": "SUCCESS", "failure": "FAILED"},
    "eks_job_run": {"success": "COMPLETED", "failure": "FAILED"},
    # Ready, until somebody ends it.
    "session": {"success": "IDLE", "failure": "FAILED"},
}
_FOREVER = 1e9

# Of answers whose date nobody reads.
_METADATA = {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}


class Caller(Protocol):
    """Who makes a call.

    :param task: on whose behalf; ``None``: that is not known
    :param paces: the process whose calls have to keep to the quotas
    """

    task: Any
    paces: Any
    faults: int


@dataclass(eq=False, slots=True)
class Resource:
    """What was started.

    :param task: the task instance that started it
    :param by: the caller
    :param askers: the task instances that have asked for it with its client token
    :param ended: when somebody requested its end
    :param tags: those that it was given since its start
    """

    kind: str
    ids: dict[str, str]
    number: int
    request: Mapping[str, Any]
    created: float
    task: Any
    by: Caller
    run: Run
    released: float = _FOREVER
    ended: float | None = None
    askers: list[Any] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def over(self) -> float:
        """When it ends, or is ready, by itself."""
        if self.run.ends == "held":
            return max(self.released, self.created + self.run.lasts)
        return self.created + self.run.lasts

    def state(self, now: float) -> str:
        """As the API spells it."""
        model = BILLABLE[self.kind]
        end = _ENDS[self.kind]["failure" if self.run.ends == "failure" else "success"]
        is_lasting = self.kind == "session" and end == "IDLE"
        if self.ended is not None and now >= self.ended:
            if now < self.ended + 2.0:
                return str(model.ending)
            return end if self.run.races and not is_lasting else str(model.end_state)
        if now >= self.over:
            return end
        age = now - self.created
        if self.run.odd and self.run.odd[0] <= age < sum(self.run.odd):
            return ODD_STATE
        state = ""
        for part, name in _COURSES[self.kind]:
            if age >= part * self.run.lasts:
                state = name
        return state

    def is_active(self, now: float) -> bool:
        """Whether it costs money."""
        if self.ended is not None and now >= self.ended + 2.0:
            return False
        return now < self.over or (self.kind == "session" and self.run.ends != "failure")


@dataclass(eq=False)
class _Bucket:
    """Counts the calls of one process to one operation, as the service's quota does."""

    level: float
    at: float


@dataclass(eq=False)
class Service:
    """Both services, in one account.

    :param clock: the true time, in seconds from the beginning of the history
    :param watcher: is told what happens
    """

    history: History
    clock: Any
    watcher: Any
    resources: list[Resource] = field(default_factory=list)
    calls: int = 0
    released: float = _FOREVER
    _tokens: dict[tuple[str, str], tuple[Resource, Mapping[str, Any]]] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _buckets: dict[tuple[int, str], _Bucket] = field(default_factory=dict)

    @property
    def skew(self) -> float:
        """Of the service's clock."""
        skews = self.history.skews
        return skews[1 % len(skews)]

    def roll(self, label: str) -> float:
        """A number from 0 to 1 that follows from the seed and how often it was asked for under this label."""
        count = self._counts[label] = self._counts.get(label, 0) + 1
        return crc32(f"{self.history.seed}/{label}/{count}".encode()) / 2**32

    def window(self, families: str | Sequence[str], on: str) -> Window | None:
        """The fault that hits a call now."""
        now = self.clock()
        for index, one in enumerate(self.history.windows):
            if (
                one.begins <= now < one.begins + one.lasts
                and one.on in ("any", on)
                and one.family in families
                and (one.share == 1.0 or self.roll(f"window {index}") < one.share)
            ):
                return one
        return None

    def call(self, caller: Caller, service: str, operation: str, parameters: Mapping[str, Any]) -> tuple[float, Any]:
        """Make a call.

        :return: how long the answer takes, and the answer; an exception is to be raised
        """
        self.calls += 1
        self._count(caller, service, operation)
        if operation == "get_application":
            return LATENCY, {"application": {"applicationId": parameters["applicationId"], "architecture": "X86_64"}}
        kind = _kind_of(service, operation)
        model = BILLABLE[kind]
        on = {
            model.starts: "starts",
            model.describes: "describes",
            model.lists: "lists",
            model.ends: "ends",
            "tag_resource": "tags",
        }[operation]
        window = self.window(_OF_CALLS, on) if self.history.windows else None
        if window is not None:
            caller.faults += 1
            if window.family in _BEFORE:
                return _BEFORE[window.family](self, operation)
        try:
            answer = getattr(self, f"_{on}")(caller, kind, parameters, window)
        except ClientError as error:
            answer = error
        if window is None or isinstance(answer, Exception):
            return LATENCY, answer
        return _spoiled(self, window.family, operation, answer)

    def release(self) -> None:
        """Let everything that is held go on to its end."""
        self.released = self.clock() + 5.0
        for one in self.resources:
            one.released = self.released

    # --- operations ---------------------------------------------------------------------------------------------------

    def _starts(self, caller: Caller, kind: str, parameters: Mapping[str, Any], window: Window | None) -> Any:
        given = {name: value for name, value in parameters.items() if name != "clientToken"}
        key, now = (kind, parameters["clientToken"]), self.clock()
        known = self._tokens.get(key)
        if known is not None and now - known[0].created < self.history.forgets:
            resource, before = known
            if before != given:
                return _conflict(kind)
        else:
            resource = self._new(caller, kind, given)
            self._tokens[key] = (resource, given)
        resource.askers.append(caller.task)
        own = resource.ids[BILLABLE[kind].id_names[-1]]
        scope_name, scope = next(iter(parameters_of(resource).items()))
        arn = f"arn:aws:emr:::{own}"
        named = {"job_run": "jobRunId", "session": "sessionId", "eks_job_run": "id"}[kind]
        return {scope_name: scope, named: own, "arn": arn, "name": given.get("name"), **self._dated()}

    def _dated(self) -> dict[str, Any]:
        date = _http_date(int(self.clock() + WALL + self.skew))
        return {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {"date": date}}}

    def _new(self, caller: Caller, kind: str, request: Mapping[str, Any]) -> Resource:
        number = len(self.resources)
        scope_name, own_name = BILLABLE[kind].id_names
        scope = request["virtualClusterId" if kind == "eks_job_run" else "applicationId"]
        runs = self.history.runs
        run = runs[number] if number < len(runs) else Run()
        resource = Resource(
            kind,
            {scope_name: scope, own_name: f"{number:016d}"},
            number,
            request,
            self.clock(),
            caller.task,
            caller,
            run,
            self.released,
        )
        self.watcher.started(resource)
        self.resources.append(resource)
        return resource

    def _describes(self, caller: Caller, kind: str, parameters: Mapping[str, Any], window: Window | None) -> Any:
        resource = self._find(kind, parameters)
        entry = self._entry(resource, self.clock())
        model = BILLABLE[kind]
        entry["tags"] = {**resource.request.get("tags", {}), **resource.tags}
        if kind != "eks_job_run":
            entry[{"job_run": "jobRunId", "session": "sessionId"}[kind]] = entry["id"]
        if kind == "job_run":
            entry["jobDriver"] = resource.request["jobDriver"]
        return {"session" if model.key == "session" else "jobRun": entry, **_METADATA}

    def _lists(self, caller: Caller, kind: str, parameters: Mapping[str, Any], window: Window | None) -> Any:
        seen = self.clock() - (20.0 + 40.0 * self.roll("lag") if window and window.family == "stale" else 0.0)
        after, before = (parameters.get(f"created{infix}{end}") for infix, end in _filters(kind))
        entries = []
        for one in self.resources:
            if one.kind != kind or one.created > seen:
                continue
            entry = self._entry(one, seen)
            if "states" in parameters and entry["state"] not in parameters["states"]:
                continue
            if (after and entry["createdAt"] < after) or (before and entry["createdAt"] > before):
                continue
            entries.append(entry)
        entries.reverse()
        if window and window.family == "reordered":
            entries.sort(key=lambda entry: crc32(f"{self.history.seed}{entry['id']}{seen}".encode()))
        if window and window.family == "dropped":
            entries = [entry for entry in entries if self.roll("dropped") < 0.5]
        if kind == "session":
            for entry in entries:
                entry["sessionId"] = entry["id"]
        first = int(parameters.get("nextToken", 0))
        last = first + min(parameters.get("maxResults", 50), 50)
        more = {"nextToken": str(last)} if last < len(entries) else {}
        return {"sessions" if kind == "session" else "jobRuns": entries[first:last], **more, **self._dated()}

    def _ends(self, caller: Caller, kind: str, parameters: Mapping[str, Any], window: Window | None) -> Any:
        resource, now = self._find(kind, parameters), self.clock()
        if not resource.is_active(now):
            if kind == "session":
                return dict(_METADATA)
            return _error("ValidationException", f"It is {resource.state(now)} and cannot be ended.", kind)
        if resource.ended is None:
            self.watcher.ended(resource, caller)
            resource.ended = now
        return {**parameters_of(resource), **_METADATA}

    def _tags(self, caller: Caller, kind: str, parameters: Mapping[str, Any], window: Window | None) -> Any:
        own = self.resources[int(parameters["resourceArn"].rpartition(":")[2])]
        own.tags.update(parameters["tags"])
        return dict(_METADATA)

    # --- what they have in common -------------------------------------------------------------------------------------

    def _find(self, kind: str, parameters: Mapping[str, Any]) -> Resource:
        own = parameters[{"job_run": "jobRunId", "session": "sessionId", "eks_job_run": "id"}[kind]]
        number = int(own)
        if number >= len(self.resources) or self.resources[number].kind != kind:
            raise _error("ResourceNotFoundException", f"{own} does not exist", kind)
        return self.resources[number]

    def _entry(self, resource: Resource, now: float) -> dict[str, Any]:
        scope, own = resource.ids.values()
        created = self._moment(resource.created)
        state = resource.state(now)
        return {
            "virtualClusterId" if resource.kind == "eks_job_run" else "applicationId": scope,
            "id": own,
            "arn": f"arn:aws:emr:::{own}",
            "name": resource.request.get("name"),
            "state": state,
            "stateDetails": "",
            "createdAt": created,
            "createdBy": "somebody",
            "updatedAt": created,
            "executionRole": "a role",
            "executionRoleArn": "a role",
            "releaseLabel": "emr-7.9.0",
        }

    def _moment(self, seconds: float) -> datetime:
        seconds += WALL + self.skew
        return datetime.fromtimestamp(int(seconds) if self.history.whole_seconds else seconds, timezone.utc)

    def _count(self, caller: Caller, service: str, operation: str) -> None:
        quota = QUOTAS.get(service, {}).get(operation)
        if quota is None:
            return
        now, key = self.clock(), (id(caller.paces), f"{service} {operation}")
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(quota.burst, now)
        bucket.level = min(quota.burst, bucket.level + (now - bucket.at) * quota.rate) - 1.0
        bucket.at = now
        if bucket.level < -0.5:
            self.watcher.over_quota(service, operation)


def parameters_of(resource: Resource) -> dict[str, str]:
    """The ids as the API spells them, what it belongs to first."""
    return BILLABLE[resource.kind].members(resource.ids)


@cache
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def _kind_of(service: str, operation: str) -> str:
    if service == "emr-containers":
        return "eks_job_run"
    return "session" if "session" in operation else "job_run"


def _filters(kind: str) -> tuple[tuple[str, str], tuple[str, str]]:
    infix = "" if kind == "eks_job_run" else "At"
    return (infix, "After"), (infix, "Before")


# --- what goes wrong --------------------------------------------------------------------------------------------------


def _error(code: str, message: str, operation: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation
    )


def _conflict(kind: str) -> ClientError:
    if kind == "eks_job_run":
        return _error("ValidationException", "The clientToken was used before with other parameters", kind)
    return _error("ConflictException", "The client token was used before with other parameters", kind, 409)


def _throttled(service: Service, operation: str) -> tuple[float, Exception]:
    return LATENCY, _error("ThrottlingException", "Rate exceeded", operation, 429)


def _broken(service: Service, operation: str) -> tuple[float, Exception]:
    return LATENCY, _error("InternalServerException", "Try again", operation, 500)


def _lost_before(service: Service, operation: str) -> tuple[float, Exception]:
    return 3.0, EndpointConnectionError(endpoint_url="https://aws")


_DENIALS = (
    ("AccessDeniedException", 403),
    ("ExpiredTokenException", 403),
    ("UnrecognizedClientException", 403),
    ("InvalidSignatureException", 403),
    ("AccessDenied", 403),
)
_PROXIES = (("403", 403), ("404", 404), ("407", 407), ("302", 302), ("408", 408))


def _denied(service: Service, operation: str) -> tuple[float, Exception]:
    code, status = _DENIALS[int(service.roll("denied") * len(_DENIALS))]
    return LATENCY, _error(code, "No", operation, status)


def _proxied(service: Service, operation: str) -> tuple[float, Exception]:
    code, status = _PROXIES[int(service.roll("proxy") * len(_PROXIES))]
    return LATENCY, _error(code, "Forbidden", operation, status)


_BEFORE = {
    "throttled": _throttled,
    "broken": _broken,
    "lost_before": _lost_before,
    "denied": _denied,
    "proxy": _proxied,
}
_OF_CALLS = (*_BEFORE, "lost_after", "garbled", "odd", "stale", "reordered", "dropped")


class Spoiled(dict[str, Any]):
    """An answer that has come to harm."""


def _spoiled(service: Service, family: str, operation: str, answer: dict[str, Any]) -> tuple[float, Any]:
    """An answer that does not arrive as it was sent."""
    if family == "lost_after":
        if service.roll("lost") < 0.7:
            return 5.0, ReadTimeoutError(endpoint_url="https://aws")
        return LATENCY, ConnectionClosedError(endpoint_url="https://aws")
    if family == "odd":
        for member in _members(answer):
            if "state" in member and service.roll("odd") < 0.9:
                member["state"] = ODD_STATE
        return LATENCY, answer
    if family == "garbled":
        way = int(service.roll("garbled") * 6)
        if way == 0:
            return LATENCY, ResponseParserError("Unable to parse response, invalid JSON received")
        if way == 1:
            return LATENCY, {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}
        if way == 2:
            return LATENCY, IncompleteReadError(actual_bytes=17, expected_bytes=170)
        members = _members(answer) or [answer]
        for member in members:
            for name in ("createdAt", "state", "id", "jobRunId", "sessionId")[way - 3 :]:
                if way == 5 and name in member:
                    member[name] = 5
                else:
                    member.pop(name, None)
        return LATENCY, Spoiled(answer)
    return LATENCY, answer


def _members(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    one = answer.get("jobRun") or answer.get("session")
    return [one] if one else list(answer.get("jobRuns") or answer.get("sessions") or ())
