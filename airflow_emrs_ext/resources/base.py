"""What a resource is: how to describe and name it, and what its states mean; written once per kind of resource.

Operators, sensors and the trigger know only these classes; another resource is another subclass.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from typing_extensions import override

from airflow_emrs_ext.core.effects import Call
from airflow_emrs_ext.exceptions import EmrError, JobRunCancelled, JobRunFailed, SessionEnded
from airflow_emrs_ext.resources.diagnosis import Diagnosis, diagnose
from airflow_emrs_ext.resources.remedy import Remedy, remedy_for
from airflow_emrs_ext.shared.states import State

S = TypeVar("S", bound=State, covariant=True)

# What is kept of the service's own words: its sentences are much shorter, and its reasons come last.
_LONGEST_DETAILS = 4000
_END_OF_DETAILS = 2000


@dataclass(frozen=True)
class Snapshot:
    """One observation of a resource.

    :param state_details: the service's own words, may be empty
    :param attempt: number of the attempt, for resources that have them
    :param facts: everything worth keeping, as plain JSON: what results and errors carry
    """

    state: State
    state_details: str
    attempt: int | None
    facts: dict[str, Any]


@dataclass(frozen=True)
class Api:
    """How the API of a service names what it has.

    :param service: botocore's name of the service
    :param own_id: the member of its requests that is the own id of anything; default: the name of that id
    :param longest_name: how many characters a name may have
    :param not_in_a_name: pattern of the characters that a name may not have
    :param has_capitals: whether its members begin with a capital letter
    :param token: the parameter of its requests that makes a repetition harmless
    :param longest_token: how many characters that may have
    :param most_tags: how many tags a resource may have, where the service's model does not say it
    """

    service: str
    own_id: str | None = None
    longest_name: int = 256
    not_in_a_name: re.Pattern[str] | None = None
    has_capitals: bool = False
    token: str = "client_token"
    longest_token: int = 64
    most_tags: int | None = None

    def member(self, name: str) -> str:
        """A name in snake case as the API spells its members."""
        first, *rest = name.split("_")
        return (first.capitalize() if self.has_capitals else first) + "".join(word.capitalize() for word in rest)


class ResourceKind(ABC, Generic[S]):
    """A kind of resource that a task starts, one at a time, and that can be waited for.

    Its own id comes last among its ids; before it comes that of what it belongs to, if it belongs to anything.
    """

    name: ClassVar[str]
    """What people call it."""
    states: type[S]
    """The states that it can be in."""
    api: ClassVar[Api]
    """That of its service."""
    key: ClassVar[str]
    """The kind's own word, which no other has."""
    id_names: ClassVar[tuple[str, ...]]
    """The names of its ids in results and parameters."""
    starts: ClassVar[str]
    """The operation that starts it."""
    describes: ClassVar[str]
    """The operation that describes it."""
    lists: ClassVar[str]
    """The operation that lists it."""
    events: ClassVar[tuple[str, ...]] = ()
    """The types of the events that EventBridge has of each change of its state."""
    failure: ClassVar[str | None] = None
    """The state in which it has ended by itself, and not well."""
    is_found_by_name: ClassVar[bool] = False
    """Whether its name says whose it is, as its service takes neither a client token nor tags for it."""

    @property
    def service(self) -> str:
        """Name of the service, botocore's."""
        return self.api.service

    @abstractmethod
    def read(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> Snapshot:
        """The observation in the answer of :meth:`describe`.

        :raises LookupError, TypeError, ValueError, AttributeError: it cannot be read
        """

    def observe(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> Snapshot:
        """As :meth:`read`, of no other resource than the one that was asked for.

        :raises LookupError, TypeError, ValueError, AttributeError: it cannot be read
        """
        snapshot = self.read(ids, response)
        told = {name: snapshot.facts[name] for name in ids}
        if told != dict(ids):
            raise ValueError(f"it tells of {told}")
        return snapshot

    def describe(self, ids: Mapping[str, str]) -> Call:
        """The call that describes the resource."""
        return Call(self.describes, self.members(ids), service=self.service)

    def members(self, ids: Mapping[str, str]) -> dict[str, str]:
        """The ids as members of a request."""
        *owner, own = self.id_names
        return {**{self.member(name): ids[name] for name in owner}, self.api.own_id or self.member(own): ids[own]}

    def member(self, name: str) -> str:
        """A name in snake case as the API spells its members."""
        return self.api.member(name)

    def tag(self, ids: Mapping[str, str], arn: str | None, tags: Mapping[str, str]) -> Call:
        """The call that tags it."""
        return Call("tag_resource", {"resourceArn": arn, "tags": dict(tags)}, service=self.service)

    def pick(self, given: Mapping[str, Any]) -> dict[str, str]:
        """The ids among other facts."""
        return {name: given[name] for name in self.id_names}

    def ids_of(self, member: Mapping[str, Any]) -> dict[str, str]:
        """The ids in an answer of the API."""
        return {
            name: member[spelled] if (spelled := self.member(name)) in member else member[self.member("id")]
            for name in self.id_names
        }

    def tags_listed(self, entry: Mapping[str, Any]) -> dict[str, str] | None:
        """The tags of an entry of a listing; ``None``: only describing it tells them."""
        return None

    def scope(self, request: Mapping[str, Any]) -> tuple[str, ...]:
        """What a listing is limited to, for a request that starts one."""
        return tuple(request[name] for name in self.id_names[:-1])

    def label(self, ids: Mapping[str, str]) -> str:
        """How log lines and errors name the resource."""
        *_, own_id = ids.values()
        return f"{self.name} {own_id}"

    def name_of(self, name: str) -> str:
        """A name as the service allows it."""
        if self.api.not_in_a_name is not None:
            name = self.api.not_in_a_name.sub("-", name)
        return name[-self.api.longest_name :]

    def on_the_way_out(self) -> list[S]:
        """The states in which it need not be ended any more."""
        return [state for state in self.states if state.is_terminal]

    def is_useful(self, state: State) -> bool:
        """Whether it does, or may still do, what it was started for."""
        return state.can_reach(one for one in self.states if one.is_success)

    def ended(self, ids: Mapping[str, str], snapshot: Snapshot) -> EmrError | None:
        """The kind's own error for a resource that has ended another way than awaited, if it has one."""
        return None


class EndableKind(ResourceKind[S]):
    """A kind of resource that an operation of the API ends."""

    belongs_to: ClassVar[str] = ""
    """What people call what it runs on."""
    verb: ClassVar[str]
    """The API's word for ending it."""
    ends: ClassVar[str]
    """The operation that ends it."""
    ending: ClassVar[str]
    """The state that ending it leads to first."""
    end_state: ClassVar[State]
    """The state that ending it leads to in the end."""
    stuck: ClassVar[State | None] = None
    """The state in which ending it has failed, for a reason that somebody has to remove."""
    spark_connect: ClassVar[SparkConnect | None] = None
    """What it is as a server of Spark Connect, if it is one."""

    def end(self, ids: Mapping[str, str], **members: Any) -> Call:
        """The call that ends it; ``members`` are further ones of the request."""
        return Call(self.ends, {**self.members(ids), **members}, service=self.service)

    def check_end(self, ids: Mapping[str, str], response: Mapping[str, Any]) -> None:
        """Check that the answer to :meth:`end` speaks of what was to be ended.

        :raises LookupError, TypeError, ValueError, AttributeError: it cannot be read
        :raises RequestRejected: it says that the service does not end it
        """
        for name, value in self.members(ids).items():
            if response[name] != value:
                raise ValueError(f"{name} is {response[name]!r}")

    @override
    def on_the_way_out(self) -> list[S]:
        return [state for state in self.states if state.is_terminal or state == self.ending]

    @override
    def ended(self, ids: Mapping[str, str], snapshot: Snapshot) -> EmrError | None:
        if self.spark_connect is None or snapshot.state not in self.on_the_way_out():
            return None
        owner, _ = ids.values()
        return SessionEnded(
            f"{self.label(ids)} of {self.belongs_to} {owner} is {self.spark_connect.end_of(snapshot)}", snapshot.facts
        )


@dataclass(frozen=True)
class SparkConnect:
    """What serves Spark Connect, until it is ended.

    :param remedies: what to do about one that has ended, by its state and the service's own words; the last fits always
    :param options: what a reference to one may say beside its ids: how to get in
    """

    remedies: tuple[Remedy, ...]
    options: tuple[str, ...] = ()

    def end_of(self, snapshot: Snapshot) -> str:
        """What an error says of the end: the state, why, and what to do."""
        details = (snapshot.state_details or "the service gave no details").rstrip(". ")
        remedy = remedy_for(f"{snapshot.state} {details}", self.remedies)
        return f"{snapshot.state}: {details}. {remedy.advice if remedy else ''}"


@runtime_checkable
class SparkDriver(Protocol):
    """A kind of resource that a Spark driver works for, which writes logs."""

    def log_locations(self, facts: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
        """Where the driver's logs are, of a job run those of the attempt that ``facts`` name.

        :param defaults: the MonitoringConfiguration of what it runs on, which its own overrides by type
        :return: ``s3_uri`` (folder of ``stdout.gz`` and ``stderr.gz``), ``cloudwatch_log_group`` and
            ``cloudwatch_log_stream_prefix``, ``None`` where not configured, and ``managed_storage``
        """


class JobRunKind(EndableKind[S]):
    """A kind of job run: a driver that works through a program, in one attempt or more."""

    running: ClassVar[State]
    """The state in which its driver runs."""

    @abstractmethod
    def log_locations(self, facts: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
        """As of a :class:`SparkDriver`, which it is."""

    @abstractmethod
    def has_driver(self, facts: Mapping[str, Any]) -> bool:
        """Whether a driver runs, or has run."""

    @override
    def ended(self, ids: Mapping[str, str], snapshot: Snapshot) -> EmrError | None:
        if not snapshot.state.is_terminal or snapshot.state.is_success:
            return None
        error_class = JobRunCancelled if snapshot.state == self.end_state else JobRunFailed
        diagnosis = diagnose(snapshot.state, snapshot.state_details, service=self.service).as_facts()
        facts = {**snapshot.facts, "diagnosis": diagnosis}
        return error_class(self.end_of(facts), facts)

    def end_of(self, facts: Mapping[str, Any]) -> str:
        """What an error says of a job run that has ended badly: what happened, why, and what to do."""
        attempt = f", attempt {facts['attempt']}" if facts["attempt"] > 1 else ""
        owner, _ = self.pick(facts).values()
        return (
            f"{self.label(self.pick(facts))} of {self.belongs_to} {owner} is "
            f"{facts['state']}{attempt}: {Diagnosis(**facts['diagnosis']).sentences(facts['state_details'])}"
        )


def details_of(*words: Any) -> str:
    """What the service says about a state, without the middle of what is far too long for logs, errors and XComs.

    :param words: members of an answer, such as its ``stateDetails``, each of which may be missing
    """
    text = ": ".join(str(word) for word in words if word)
    if len(text) <= _LONGEST_DETAILS:
        return text
    begin, end = text[: _LONGEST_DETAILS - _END_OF_DETAILS], text[-_END_OF_DETAILS:]
    return f"{begin} [... {len(text) - _LONGEST_DETAILS} characters left out ...] {end}"


def to_json(moment: datetime | None) -> str | None:
    """A time as ISO 8601 in UTC."""
    return None if moment is None else moment.astimezone(timezone.utc).isoformat()


def tags_of(given: Mapping[str, str] | Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags as names and values, which some APIs have as a list of keys and values."""
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    return {one["Key"]: one.get("Value", "") for one in given}
