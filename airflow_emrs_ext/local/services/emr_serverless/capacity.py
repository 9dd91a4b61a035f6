"""Who holds how much of the account's and each application's capacity, and who waits for some.

An account has its vCPUs once in each Region.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Container
from dataclasses import dataclass, replace

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.runner import WorkerSize
from airflow_emrs_ext.local.services.emr_serverless.sizes import NOTHING, Resources
from airflow_emrs_ext.local.services.emr_serverless.workers import Demand

_log = logging.getLogger(__name__)

_NAMED = 2

OVER_ACCOUNT = "Job failed as account has reached the service limit on the maximum vCPU it can use concurrently."
OVER_APPLICATION = "Job failed as application has exceeded maximumCapacity settings."
NO_WORKER = "Job failed due to Worker could not be allocated as the application has exceeded maximumCapacity."


class CannotRunError(Exception):
    """A job run or session can never start; the message is the service's sentence."""


@dataclass
class Share:
    """What one application may use and uses.

    :param region: of the application
    :param limit: ``maximumCapacity``
    :param warm_vcpu: vCPUs of the pre-initialized workers while the application is started
    """

    region: str
    limit: Resources
    warm_vcpu: float = 0.0
    used: Resources = NOTHING

    @property
    def vcpu(self) -> float:
        """What counts against the account: warm workers count whether or not a job run uses them."""
        return max(self.warm_vcpu, self.used.cpu)


@dataclass
class _Waiter:
    application_id: str
    label: str
    demand: Demand
    say: Callable[[str], object]
    granted: asyncio.Future[int]
    said: str = ""


@dataclass
class _Holder:
    application_id: str
    label: str
    demand: Demand
    executor_count: int

    @property
    def amount(self) -> Resources:
        return self.demand.with_executors(self.executor_count)


class Capacity:
    """Hands out workers in the order of the requests.

    A request that waits for the account's vCPUs holds back all later ones, one that waits for its application's
    capacity only those of the same application, so that a large job run is not passed by for ever.

    :param config: ``account_vcpus`` and ``quota_scale``, which scales them; 0: no limit
    """

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._shares: dict[str, Share] = {}
        self._waiting: dict[str, _Waiter] = {}
        self._held: dict[str, _Holder] = {}
        self._short_regions: set[str] = set()
        self._short: set[str] = set()

    @property
    def account_vcpu(self) -> float:
        """The vCPUs that the account may use at once in a Region."""
        scale = self._config.quota_scale
        return self._config.account_vcpus * scale if scale else math.inf

    def used_vcpu(self, region: str) -> float:
        """The vCPUs that the account uses in a Region."""
        return sum(share.vcpu for share in self._shares.values() if share.region == region)

    def allow(self, application_id: str, region: str, limit: Resources, warm_vcpu: float) -> None:
        """Set what an application may use, and what its warm workers take."""
        share = self._shares.setdefault(application_id, Share(region, limit))
        share.limit, share.warm_vcpu = limit, warm_vcpu
        self.hand_out()

    def check(self, application_id: str, demand: Demand) -> None:
        """Refuse what could not even be granted to a job run that is alone.

        :raises CannotRunError: the driver and one executor are more than the account or the application may use
        """
        limit = self._shares[application_id].limit
        smallest = demand.with_executors(1)
        if not demand.with_executors(0).fits(limit):
            raise CannotRunError(OVER_APPLICATION)
        if not smallest.fits(limit):
            raise CannotRunError(NO_WORKER)
        if smallest.cpu > self.account_vcpu:
            raise CannotRunError(OVER_ACCOUNT)

    async def acquire(
        self, work_id: str, application_id: str, demand: Demand, label: str, say: Callable[[str], object]
    ) -> int:
        """Wait until the driver and at least one executor fit, and take them with as many more as fit.

        :param work_id: the job run or session
        :param application_id: its application
        :param demand: what it asks for
        :param label: what it is called in sentences: ``job run ID``
        :param say: gets a sentence for ``stateDetails`` while it waits: for what, and who has it
        :return: the number of executors granted
        """
        waiter = _Waiter(application_id, label, demand, say, asyncio.get_running_loop().create_future())
        self._waiting[work_id] = waiter
        self.hand_out()
        return await waiter.granted

    def resize(self, work_id: str, executor_count: int) -> int:
        """Give executors back, or take as many more as are free: nobody who waits is passed by.

        :param work_id: the job run or session, which holds workers
        :param executor_count: how many it is to have
        :return: how many it has
        """
        holder = self._held.get(work_id)
        if holder is None:
            return 0
        share = self._shares[holder.application_id]
        more = executor_count - holder.executor_count
        if more > 0:
            is_passed_by = share.region in self._short_regions or holder.application_id in self._short
            more = 0 if is_passed_by else _most(share, self._room(share), holder.demand.executor, more)
        share.used = share.used.less(holder.amount)
        holder.executor_count += more
        share.used = share.used.add(holder.amount)
        self.hand_out()
        return holder.executor_count

    def workers_of(self, application_id: str) -> dict[str, tuple[Demand, int]]:
        """Who holds workers of an application: job run or session to what it asked for, and its number of executors."""
        return {
            work_id: (holder.demand, holder.executor_count)
            for work_id, holder in self._held.items()
            if holder.application_id == application_id
        }

    def release(self, work_id: str) -> None:
        """Give back what a job run or session holds, or take it out of the line; harmless when it is in neither."""
        self._waiting.pop(work_id, None)
        if holder := self._held.pop(work_id, None):
            share = self._shares[holder.application_id]
            share.used = share.used.less(holder.amount)
        self.hand_out()

    def hand_out(self) -> None:
        """Grant what can be granted now; called whenever a limit or a use has changed."""
        held_back: dict[str, str] = {}
        lines: dict[str, str] = {}
        for work_id, waiter in list(self._waiting.items()):
            if waiter.granted.done():
                continue
            share = self._shares[waiter.application_id]
            before = lines.get(share.region) or held_back.get(waiter.application_id)
            if before:
                self._say(waiter, f"It waits for workers behind {before}.")
                continue
            smallest = waiter.demand.with_executors(1)
            if smallest.cpu > self._room(share):
                self._say(waiter, self._short_of_account(smallest.cpu, share.region))
                lines[share.region] = waiter.label
                continue
            driver, wanted = waiter.demand.with_executors(0), waiter.demand.executor_count
            with_driver = replace(share, used=share.used.add(driver))
            count = _most(with_driver, self._room(share) - driver.cpu, waiter.demand.executor, wanted)
            if count < 1:
                self._say(waiter, self._short_of_application(waiter, share))
                held_back[waiter.application_id] = waiter.label
                continue
            holder = _Holder(waiter.application_id, waiter.label, waiter.demand, count)
            share.used = share.used.add(holder.amount)
            self._held[work_id] = holder
            del self._waiting[work_id]
            waiter.granted.set_result(count)
            if waiter.said:
                waiter.say("Workers are being allocated.")
        # Who waits for the account, or for an application, is not passed by.
        self._short_regions, self._short = set(lines), set(held_back)

    def clear(self) -> None:
        """Forget every application and everyone who waits."""
        self._shares.clear()
        self._waiting.clear()
        self._held.clear()

    def _room(self, share: Share) -> float:
        """The vCPUs of the account that an application may take beside what it uses."""
        return self.account_vcpu - (self.used_vcpu(share.region) - share.vcpu) - share.used.cpu

    def _say(self, waiter: _Waiter, sentence: str) -> None:
        if not waiter.said:
            _log.warning("%s: %s", waiter.label, sentence)
        if sentence != waiter.said:
            waiter.said = sentence
            waiter.say(sentence)

    def _short_of_account(self, vcpu: float, region: str) -> str:
        of_region = {application_id for application_id, share in self._shares.items() if share.region == region}
        return (
            f"It waits for {vcpu:g} vCPUs: the account uses {self.used_vcpu(region):g} of {self.account_vcpu:g}"
            f" ({self._users(of_region)})."
            " End one of them, ask for less, or start emrs-local with more --account-vcpus."
        )

    def _short_of_application(self, waiter: _Waiter, share: Share) -> str:
        smallest = waiter.demand.with_executors(1)
        used, limit = share.used, share.limit
        return (
            f"It waits for {smallest.cpu:g} vCPUs and {smallest.memory_gb:g} GB: the application uses {used.cpu:g} and"
            f" {used.memory_gb:g} of its maximumCapacity, {limit.cpu:g} and {limit.memory_gb:g}"
            f" ({self._users({waiter.application_id})})."
        )

    def _users(self, application_ids: Container[str]) -> str:
        """Who has most of what some applications have, for people."""
        holders = [one for one in self._held.values() if one.application_id in application_ids]
        holders.sort(key=lambda holder: -holder.amount.cpu)
        named = [f"{holder.label}: {holder.amount.cpu:g}" for holder in holders[:_NAMED]]
        more = len(holders) - len(named)
        return ", ".join(named) + (f", {more} more" if more > 0 else "") or "pre-initialized workers"


def _most(share: Share, vcpu_room: float, executor: WorkerSize, wanted: int) -> int:
    """How many executors, at most those that are wanted, can be had.

    :param share: of the application; what it uses does not count as free
    :param vcpu_room: vCPUs that the account has left for it
    """
    free = share.limit.less(share.used)
    free = free._replace(cpu=min(free.cpu, vcpu_room))
    rooms = (free.cpu / executor.cpu, free.memory_gb / executor.memory_gb, free.disk_gb / executor.disk_gb)
    return max(0, int(min(wanted, *rooms)))
