"""The way of the services' events to EventBridge, which moto plays: rules, their patterns and targets are moto's."""

from __future__ import annotations

import asyncio
import logging
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.events import Event
from airflow_emrs_ext.local.base.lifecycle import Transition
from airflow_emrs_ext.local.base.regions import region_in

_log = logging.getLogger(__name__)

Reporter = Callable[[Transition, ServiceConfig], Iterator[Event]]


class EventBus:
    """Puts events on the default event bus as long as there is a rule that may want them.

    :param config: account and Region
    :param reporters: what tells the events of a change, per service
    :param delivered: told when targets have got events
    """

    def __init__(
        self, config: ServiceConfig, *reporters: Reporter, delivered: Callable[[], None] = lambda: None
    ) -> None:
        self._config = config
        self._delivered = delivered
        self._reporters = reporters
        self._waiting: list[tuple[str, Callable[[], Iterable[Event]]]] = []
        self._task: asyncio.Task[None] | None = None

    def changed(self, transition: Transition) -> None:
        """Send the events of a change; a listener of the services."""
        # They are asked for once the change is complete.
        self._send_soon(
            region_in(transition.resource.arn),
            lambda: [event for report in self._reporters for event in report(transition, self._config)],
        )

    def send(self, event: Event, region: str) -> None:
        """Send an event that comes with no change.

        :param event: the event
        :param region: whose event bus gets it
        """
        self._send_soon(region, lambda: [event])

    def _send_soon(self, region: str, events: Callable[[], Iterable[Event]]) -> None:
        if not self._rules(region):
            return
        self._waiting.append((region, events))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._send())

    async def close(self) -> None:
        """End; what has not been sent is lost."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _send(self) -> None:
        """Send what has come together, then what has come meanwhile."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            messages_of: dict[str, list[dict[str, Any]]] = {}
            for region, events in waiting:
                messages_of.setdefault(region, []).extend(self._message(event, region) for event in events())
            for region, messages in messages_of.items():
                # Patterns and targets take moto's time, not the event loop's.
                await loop.run_in_executor(None, _deliver, self._rules(region), messages)
                self._delivered()

    def _rules(self, region: str) -> list[Any]:
        """The rules that clients have made in a Region."""
        # Nothing but a request for EventBridge makes moto import it: without one there is no rule.
        moto = sys.modules.get("moto.events.models")
        backends = getattr(moto, "events_backends", None)
        if backends is None:
            return []
        bus = backends[self._config.account_id][region].event_buses["default"]
        return [rule for rule in list(bus.rules.values()) if rule.state == "ENABLED"]

    def _message(self, event: Event, region: str) -> dict[str, Any]:
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": event.detail_type,
            "source": event.source,
            "account": self._config.account_id,
            # moto spells it for the target.
            "time": event.at.timestamp(),
            "region": region,
            "resources": event.resources,
            "detail": event.detail,
        }


def _deliver(rules: Iterable[Any], events: Iterable[dict[str, Any]]) -> None:
    for rule in rules:
        # Without a transformer moto would put the event together anew, slowly and without its account.
        transforms = any("InputTransformer" in target for target in rule.targets)
        for event in events:
            try:
                rule.send_to_targets(event, transform_input=transforms)
            except Exception:
                # A target that is not there loses its events, in AWS too; the others get theirs.
                _log.warning("rule %s cannot deliver %s", rule.name, event["detail-type"], exc_info=True)
