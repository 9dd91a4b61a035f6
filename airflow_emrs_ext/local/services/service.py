"""What the services of the endpoint have in common: tags, an end, and a new beginning."""

from __future__ import annotations

import asyncio
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from airflow_emrs_ext.local.base.collection import NOT_FOUND, Collection, OwnedCollection, Registry
from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.idempotency import ClientTokens
from airflow_emrs_ext.local.base.lifecycle import Listener, Transition, as_of, now
from airflow_emrs_ext.local.base.regions import is_visible
from airflow_emrs_ext.local.base.snapshots import dump, load
from airflow_emrs_ext.local.base.tags import merge_tags


class Memory(Protocol):
    """Something that a reset makes forget."""

    def clear(self) -> None:
        """Forget everything."""


_MOST_TAGS_OF_THE_MODEL = 200
_LOST = "The local endpoint ended while this was active, and its driver with it; start it anew."


class Service(ABC):
    """A service, without HTTP: one coroutine per operation of the API.

    The operations take validated parameters under the API's names and return the members of the output structure; they
    raise :class:`~airflow_emrs_ext.local.base.errors.ApiError`. Everything runs on one event loop and changes state
    between two awaits, so there are no locks.

    :param config: settings, read when they are needed
    :param listeners: called, on the event loop, with every :class:`~.lifecycle.Transition` of every resource
    :param work_dir: where the attempts get their directories
    :param owners: the applications, virtual clusters or clusters
    :param driven: what belongs to them and has drivers: job runs, and what serves Spark Connect
    :param memories: what else a reset makes forget
    """

    TOKEN_MISUSED: ClassVar[str]
    """The error for a client token that comes again with other parameters."""
    TOKEN_PARAMETER: ClassVar[str] = "clientToken"
    """The parameter that holds a client token."""
    MOST_TAGS: ClassVar[int]
    """How many tags a resource may have."""

    def __init__(
        self,
        config: ServiceConfig,
        listeners: list[Listener],
        work_dir: Path,
        *,
        owners: Collection[Any],
        driven: Sequence[OwnedCollection[Any]],
        memories: Sequence[Memory],
    ) -> None:
        self.config = config
        self.listeners = listeners
        self._work_dir = work_dir
        self._owners, self._driven = owners, driven
        self._memories: Sequence[Memory] = (owners, *driven, *memories)
        self._tokens = ClientTokens(config, self.TOKEN_MISUSED, self.TOKEN_PARAMETER)
        self._closed = False
        self.changes: int = 0
        listeners.append(self._count)

    async def close(self) -> None:
        """Start nothing more and leave everything as it is; what is known can still be asked for.

        The drivers that run are the runner's to end.
        """
        self._closed = True
        await self._end_tasks()

    async def reset(self) -> None:
        """Stop what runs and forget everything; nothing is started meanwhile."""
        was_closed, self._closed = self._closed, True
        try:
            await self._forget()
        finally:
            self._closed = was_closed

    async def dump(self) -> bytes:
        """All that is known, for :meth:`restore` in another process."""
        kept = [registry.kept() for registry in self._registries()]
        return dump((now(), kept, self._tokens.kept()), self._anchors(), self._work_dir)

    async def restore(self, data: bytes) -> None:
        """Go on with what another process knew; what ran has ended with it.

        :param data: what :meth:`dump` returned there
        """
        at, kept, tokens = load(data, self._anchors(), self._work_dir)
        for registry, members in zip(self._registries(), kept, strict=True):
            registry.restore(members)
        self._tokens.restore(tokens)
        # The time since then is none in which anything ran.
        with as_of(at):
            for driven in self._driven:
                driven.end_lost(_LOST)
        self._owners.resume()

    def _count(self, _: Transition) -> None:
        self.changes += 1

    def _registries(self) -> list[Registry[Any]]:
        return [memory for memory in self._memories if isinstance(memory, Registry)]

    def _anchors(self) -> dict[str, object]:
        """What there is in each process, and what is kept refers to."""
        walkers = [part for driven in self._driven for part in driven.anchors()]
        return {str(i): part for i, part in enumerate((self.config, self.listeners, *self._memories, *walkers))}

    @abstractmethod
    def config_changed(self) -> None:
        """Apply changed settings to what is already waiting."""

    async def tag_resource(self, **params: Any) -> dict[str, Any]:
        """TagResource."""
        owned = self._tags(params["resourceArn"])
        most = _MOST_TAGS_OF_THE_MODEL if self.config.lenient else self.MOST_TAGS
        owned.update(merge_tags(owned, params["tags"], most))
        return {}

    async def untag_resource(self, **params: Any) -> dict[str, Any]:
        """UntagResource."""
        owned = self._tags(params["resourceArn"])
        for key in params["tagKeys"]:
            owned.pop(key, None)
        return {}

    async def list_tags_for_resource(self, **params: Any) -> dict[str, Any]:
        """ListTagsForResource."""
        return {"tags": dict(self._tags(params["resourceArn"]))}

    def resources_of(self, _: Mapping[str, Any]) -> Sequence[str]:
        """The ARNs of what a request is about, where its path does not say it: none."""
        return ()

    def role_of(self, params: Mapping[str, Any]) -> str | None:
        """The execution role that a request asks for, ``None``: it asks for none."""
        role: str | None = params.get("executionRoleArn")
        return role

    def tags_of(self, arn: str) -> dict[str, str]:
        """The tags of what has the ARN, none where there is nothing."""
        try:
            return self._tags(arn)
        except ApiError:
            return {}

    def _tags(self, arn: str) -> dict[str, str]:
        """The tags of what has the ARN; the API models admit no ARN of a job template."""
        for collection in (self._owners, *self._driven):
            for resource in collection:
                if resource.arn == arn and is_visible(arn):
                    tags: dict[str, str] = resource.tags
                    return tags
        raise ApiError(NOT_FOUND, f"Resource {arn} does not exist")

    def _check_open(self) -> None:
        if self._closed:
            raise ApiError("InternalServerException", "The endpoint is ending and starts nothing more")

    async def _forget(self) -> None:
        running = [one.running for driven in self._driven for one in driven.drivers() if one.running]
        for driven in self._driven:
            driven.terminate_all("The endpoint was reset.")
        await self._end_tasks()
        await asyncio.gather(*(driver.stop(0) for driver in running), return_exceptions=True)
        for owner in self._owners:
            shutil.rmtree(self._work_dir / owner.id, ignore_errors=True)
        for memory in self._memories:
            memory.clear()
        self._tokens.clear()

    async def _end_tasks(self) -> None:
        """End the tasks that lead resources through their states."""
        for collection in (*self._driven, self._owners):
            await collection.end_tasks()
