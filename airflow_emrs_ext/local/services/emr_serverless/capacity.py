"""Who holds how much of the account's and each application's capacity, and who waits for some."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.services.emr_serverless.sizes import NOTHING, Resources
from airflow_emrs_ext.local.services.emr_serverless.workers import Demand

ACCOUNT_VCPU = 16

OVER_ACCOUNT = "Job failed as account has reached the service limit on the maximum vCPU it can use concurrently."
OVER_APPLICATION = "Job failed as application has exceeded maximumCapacity settings."
NO_WORKER = "Job failed due to Worker could not be allocated as the application has exceeded maximumCapacity."


class CannotRunError(Exception):
    """A job run or session can never start; the message is the service's sentence."""


@dataclass
class Share:
    """What one application may use and uses.

    :param limit: ``maximumCapacity``
    :param warm_vcpu: vCPUs of the pre-initialized workers while the application is started
    """

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
    demand: Demand
    granted: asyncio.Future[int]


class Capacity:
    """Hands out workers in the order of the requests.

    A request that waits for the account's vCPUs holds back all later ones, one that waits for its application's
    capacity only those of the same application, so that a large job run is not passed by for ever.

    :param config: ``quota_scale`` scales the account's vCPUs; 0: no limit
    """

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._shares: dict[str, Share] = {}
        self._waiting: dict[str, _Waiter] = {}
        self._held: dict[str, tuple[str, Resources]] = {}

    @property
    def account_vcpu(self) -> float:
        """The vCPUs that the account may use at once."""
        scale = self._config.quota_scale
        return ACCOUNT_VCPU * scale if scale else math.inf

    @property
    def used_vcpu(self) -> float:
        """The vCPUs that the account uses."""
        return sum(share.vcpu for share in self._shares.values())

    def allow(self, application_id: str, limit: Resources, warm_vcpu: float) -> None:
        """Set what an application may use, and what its warm workers take."""
        share = self._shares.setdefault(application_id, Share(limit))
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

    async def acquire(self, run_id: str, application_id: str, demand: Demand) -> int:
        """Wait until the driver and at least one executor fit, and take them with as many more as fit.

        :return: the number of executors granted
        """
        waiter = _Waiter(application_id, demand, asyncio.get_running_loop().create_future())
        self._waiting[run_id] = waiter
        self.hand_out()
        return await waiter.granted

    def release(self, run_id: str) -> None:
        """Give back what a job run holds, or take it out of the line; harmless when it is in neither."""
        self._waiting.pop(run_id, None)
        if held := self._held.pop(run_id, None):
            application_id, amount = held
            share = self._shares[application_id]
            share.used = share.used.less(amount)
        self.hand_out()

    def hand_out(self) -> None:
        """Grant what can be granted now; called whenever a limit or a use has changed."""
        held_back: set[str] = set()
        for run_id, waiter in list(self._waiting.items()):
            if waiter.application_id in held_back or waiter.granted.done():
                continue
            share = self._shares[waiter.application_id]
            account_room = self.account_vcpu - (self.used_vcpu - share.vcpu)
            smallest = waiter.demand.with_executors(1)
            if share.used.cpu + smallest.cpu > account_room:
                return
            count = _most(share, account_room, waiter.demand)
            if count < 1:
                held_back.add(waiter.application_id)
                continue
            amount = waiter.demand.with_executors(count)
            share.used = share.used.add(amount)
            self._held[run_id] = (waiter.application_id, amount)
            del self._waiting[run_id]
            waiter.granted.set_result(count)

    def clear(self) -> None:
        """Forget every application and everyone who waits."""
        self._shares.clear()
        self._waiting.clear()
        self._held.clear()


def _most(share: Share, account_room: float, demand: Demand) -> int:
    """How many executors, at most those that are asked for, can be had with the driver."""
    free = share.limit.less(share.used.add(demand.with_executors(0)))
    free = free._replace(cpu=min(free.cpu, account_room - share.used.cpu - demand.driver.cpu))
    executor = demand.executor
    rooms = (free.cpu / executor.cpu, free.memory_gb / executor.memory_gb, free.disk_gb / executor.disk_gb)
    return int(min(demand.executor_count, *rooms))
