"""The resources of an account: what they have in common, and all of one kind."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.driving import Driven
from airflow_emrs_ext.local.base.errors import ApiError, validation_error
from airflow_emrs_ext.local.base.lifecycle import Lifecycle, Listener
from airflow_emrs_ext.local.base.pagination import SPELLING, Spelling, created_within, group, page
from airflow_emrs_ext.local.base.regions import is_visible, region_in
from airflow_emrs_ext.local.base.views import history, plain
from airflow_emrs_ext.shared.states import State

NOT_FOUND = "ResourceNotFoundException"


@dataclass(kw_only=True)
class Resource:
    """What clients make, find again and tag.

    :param name: its name, if it was given one
    :param number: its place among all of its kind, in the order in which they were made
    :param task: leads it through its states
    """

    id: str
    arn: str
    name: str | None
    tags: dict[str, str]
    life: Lifecycle
    number: int = 0
    task: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """The state that it is in."""
        return self.life.state

    @property
    def created_at(self) -> datetime:
        """When it was asked for."""
        return self.life.created_at

    @property
    def owner_id(self) -> str | None:
        """The id of what it belongs to, ``None``: to the account."""
        return None


@dataclass(kw_only=True)
class OwnedResource(Resource, ABC):
    """What belongs to an application, a virtual cluster or a cluster.

    :param owner: that
    :param work_dir: its directory
    """

    owner: Any
    work_dir: Path

    @abstractmethod
    def move(self, state: Any, details: str) -> None:
        """Change the state."""

    @property
    def owner_id(self) -> str:
        """The id of what it belongs to."""
        owner_id: str = self.owner.id
        return owner_id


T = TypeVar("T")
R = TypeVar("R", bound=Resource)
Owned = TypeVar("Owned", bound=OwnedResource)


class Registry(Generic[T]):
    """Everything of one kind, by its id.

    :param config: account and Region
    """

    NOUN: ClassVar[str]
    """What one is called, to begin a sentence with, e.g. ``Job run``."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._by_id: dict[str, T] = {}

    def __iter__(self) -> Iterator[T]:
        return iter(self._by_id.values())

    def __contains__(self, resource_id: str) -> bool:
        return resource_id in self._by_id

    def get(self, resource_id: str, *, code: str = NOT_FOUND) -> T:
        """The one of that id.

        :param code: the error where the operation declares another one
        :raises ApiError: there is none
        """
        try:
            return self._by_id[resource_id]
        except KeyError:
            raise ApiError(code, f"{self.NOUN} {resource_id} does not exist") from None

    def clear(self) -> None:
        """Forget every one."""
        self._by_id.clear()

    def kept(self) -> dict[str, T]:
        """Every one, for another process to go on with."""
        return self._by_id

    def restore(self, kept: Mapping[str, T]) -> None:
        """Go on with what :meth:`kept` returned in another process.

        :param kept: by their ids
        """
        self._by_id.update(kept)


class Collection(Registry[R], ABC):
    """All resources of one kind; see also :class:`Registry`.

    :param listeners: told of every change of state
    """

    MEMBER: ClassVar[str]
    """The member of a listing that has them, e.g. ``jobRuns``."""
    SPELLING: ClassVar[Spelling] = SPELLING
    """What the API calls the parameters of its listings."""
    BY_STATE: ClassVar[bool] = False
    """Whether a listing of several states is grouped by them."""

    def __init__(self, config: ServiceConfig, listeners: list[Listener]) -> None:
        super().__init__(config)
        self._listeners = listeners

    def add(self, resource: R) -> None:
        """Know it from now on."""
        resource.number = len(self._by_id)
        self._by_id[resource.id] = resource

    def get(self, resource_id: str, *, code: str = NOT_FOUND) -> R:
        """The one of that id, in the Region of the request.

        :param code: the error where the operation declares another one
        :raises ApiError: there is none
        """
        resource = super().get(resource_id, code=code)
        if not is_visible(resource.arn):
            raise ApiError(
                code,
                f"{self.NOUN} {resource_id} does not exist in this Region; there is one in {region_in(resource.arn)}",
            )
        return resource

    def page(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of the operation that lists them: newest first."""
        states = params.get(self.SPELLING.states)
        items = (
            resource
            for resource in self._listed(params)
            if is_visible(resource.arn)
            and (not states or resource.state in states)
            and created_within(resource.created_at, params, self.SPELLING)
        )
        by_state = states if self.BY_STATE else None
        return page(
            self.MEMBER,
            items,
            params,
            place=lambda resource: (*group(resource.state, by_state), -resource.number),
            view=self.summary,
            spelling=self.SPELLING,
        )

    def records(self, owner_id: str | None = None) -> list[dict[str, Any]]:
        """Every one with all that is known of it, oldest first, as plain JSON, for tests.

        :param owner_id: only those of one owner
        """
        return [
            {**plain(self.record(resource)), "stateHistory": history(resource.life)}
            for resource in self
            if owner_id in (None, resource.owner_id)
        ]

    def resume(self) -> None:
        """Go on with what is under way, after :meth:`restore`, when nothing in them is active any more."""

    @abstractmethod
    def summary(self, resource: R) -> dict[str, Any]:
        """The structure that a listing shows."""

    @abstractmethod
    def record(self, resource: R) -> dict[str, Any]:
        """All that is known of one but its history of states."""

    async def end_tasks(self) -> None:
        """Leave every one in the state that it is in."""
        tasks = [resource.task for resource in self if resource.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _check_unused(self, resource: R, done: str, what: str, active: Sized) -> None:
        """Refuse to end what is in use.

        :param done: what is not done to it
        :param what: what is in it and what to do about that
        :param active: those of them that are in no terminal state
        :raises ApiError: there are some
        """
        if active:
            raise validation_error(f"{self.NOUN} {resource.id} cannot be {done}. It has {len(active)} active {what}.")

    def _listed(self, params: Mapping[str, Any]) -> Iterable[R]:
        """What a listing shows unless its filters by state and time say otherwise."""
        return self


class OwnedCollection(Collection[Owned]):
    """All resources of one kind that belong to others, and have drivers; see also :class:`Collection`.

    :param owners: the applications, virtual clusters or clusters, told which of these they have
    :param work_dir: where the owners have their directories
    :param walker: leads each through its states
    """

    LOST: ClassVar[tuple[State, ...]]
    """Ends of one whose driver is gone: the first that may follow its state."""

    def __init__(
        self, config: ServiceConfig, listeners: list[Listener], owners: Collection[Any], work_dir: Path, walker: Any
    ) -> None:
        super().__init__(config, listeners)
        self._owners = owners
        self._work_dir = work_dir
        self._walker = walker

    def anchors(self) -> tuple[object, ...]:
        """What each refers to that is not kept with it, as each process has its own: what leads them."""
        return (self._walker,)

    def drivers(self) -> Iterable[Driven]:
        """What drivers do for them."""
        raise NotImplementedError

    def terminate_all(self, reason: str) -> None:
        """Begin to end every one whose clients are to hear of it, for the reason given."""

    def end_lost(self, details: str) -> None:
        """End every one that has not ended: its driver went with another process.

        :param details: sentence for ``stateDetails``
        """
        for resource in self:
            if not resource.state.is_terminal:
                self._lose(resource, next(s for s in self.LOST if s in resource.life.table[resource.state]), details)

    def _lose(self, resource: Owned, state: State, details: str) -> None:
        resource.move(state, details)

    def find(self, owner_id: str, resource_id: str, *, code: str = NOT_FOUND) -> Owned:
        """The one of an owner.

        :param code: the error where the operation declares another one
        :raises ApiError: there is none
        """
        owner, found = self._owners.get(owner_id, code=code), self._by_id.get(resource_id)
        if found is None or found.owner is not owner:
            raise ApiError(code, f"{self.NOUN} {resource_id} of {self._owners.NOUN.lower()} {owner_id} does not exist")
        return found

    def _of(self, owner_id: str, *, code: str = NOT_FOUND) -> Iterator[Owned]:
        """Those of one owner.

        :raises ApiError: there is no such owner
        """
        owner = self._owners.get(owner_id, code=code)
        return (resource for resource in self if resource.owner is owner)
