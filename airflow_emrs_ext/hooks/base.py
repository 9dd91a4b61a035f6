"""What the hooks of the package have in common: clients of any service, and the two drivers of effects."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, TypeVar

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook, AwsGenericHook
from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
from asgiref.sync import sync_to_async
from botocore.config import Config

from airflow_emrs_ext._compat import AirflowException
from airflow_emrs_ext.core import settings
from airflow_emrs_ext.core.effects import Call, Effects, Fetch, PollState, RunContext, WaitPolicy
from airflow_emrs_ext.core.lockless import lockless_property
from airflow_emrs_ext.core.service_clock import ServiceClock
from airflow_emrs_ext.resources import SERVICES
from airflow_emrs_ext.resources.api_errors import is_about_access
from airflow_emrs_ext.runtime.answer_checks import check, check_lengths
from airflow_emrs_ext.runtime.driver import drive_blocking
from airflow_emrs_ext.runtime.rate_limiter import RateLimiter, rate_limiter_of
from airflow_emrs_ext.runtime.streams import drain, fetch
from airflow_emrs_ext.shared.service_model import extend

T = TypeVar("T")

_CACHED = (cached_property, lockless_property)

# What other services are asked for may be out of a private network's reach; the job run's outcome is not to wait long
# for it. A user's own setting stays.
_BESIDE = Config(connect_timeout=5, read_timeout=10)
# One call waits for a message as long as SQS allows.
_LISTENING = Config(connect_timeout=5, read_timeout=30)


# Retries are ours, with a longer breath; botocore's would only multiply the calls.
_ONCE = Config(retries={"total_max_attempts": 1, "mode": "standard"})
# Of these some operation takes no client token, and made twice it does its work twice: here a user's own setting of
# retries does not stay.
_NEVER_REPEATED = frozenset({"emr"})


class EmrHook(AwsBaseHook):
    """Runs effects that call any service, with one connection.

    :param wait_policy: other waiting times than Airflow's configuration gives
    :param kwargs: of :class:`~airflow.providers.amazon.aws.hooks.base_aws.AwsBaseHook`: ``aws_conn_id``,
        ``region_name``, ``verify``, ``config``
    """

    service: ClassVar[str] = ""
    """botocore's name of the service that ``conn`` is a client of; a hook of none has no ``conn``."""

    def __init__(self, *args: Any, wait_policy: WaitPolicy | None = None, **kwargs: Any) -> None:
        kwargs["client_type"] = self.service
        super().__init__(*args, **kwargs)
        self.wait_policy: WaitPolicy = wait_policy or default_wait_policy()
        self._clients: dict[str, Any] = {}
        self._has_connected = False
        self._has_connection = False

    @property
    def run_context(self) -> RunContext:
        """What this hook's calls run with: its wait policy and its log, and what it knows of the service's clock."""
        return RunContext(wait_policy=self.wait_policy, log=self.log, service=self.service_clock)

    @lockless_property
    def service_clock(self) -> ServiceClock:
        """What the services' answers to this hook have told of their clock."""
        return ServiceClock()

    def run(self, effects: Effects[T]) -> T:
        """Drive effects with blocking clients; effects that are interrupted are closed."""
        return drive_blocking(effects, self._perform, self.rate_limiter, is_final=self._was_never_connected)

    def _perform(self, effect: Call | Fetch | PollState) -> Any:
        if isinstance(effect, PollState):
            # Only those that wait together have listings that answer for many.
            return None
        if isinstance(effect, Fetch):
            return fetch(effect)
        try:
            # Making the client may call STS: its failures are for the effects to judge, too.
            client = self._client_of(effect.service)
            answer = getattr(client, effect.operation)(**effect.parameters)
            if effect.sink is not None:
                answer["Body"] = drain(answer["Body"], effect.sink())
            else:
                check(client, effect.operation, answer)
        except Exception as error:
            if is_about_access(error, effect.service):
                self.forget_connection()
            raise
        return answer

    def _was_never_connected(self, error: Exception) -> bool:
        return isinstance(error, AirflowException) and not self._has_connected

    @lockless_property
    def conn_config(self) -> AwsConnectionWrapper:
        """The connection, as the Amazon provider reads it, which takes boto3's own credentials for one that is missing.

        Those may be another account's: this hook does so for ``aws_default`` only, as long as there has never been one.

        :raises AirflowException: there is no such connection, or none any more
        """
        found: AwsConnectionWrapper = vars(AwsGenericHook)["conn_config"].func(self)
        if self.aws_conn_id and not found and (self._has_connection or self.aws_conn_id != self.default_conn_name):
            raise AirflowException(
                f"There is no connection {self.aws_conn_id!r} (`aws_conn_id`): create it, or set `aws_conn_id` to None "
                "for boto3's own credentials."
            )
        self._has_connection = bool(found)
        return found

    def forget_connection(self) -> None:
        """Let the next client be made of the connection as it is by then: its credentials may have been renewed."""
        self._clients.clear()
        for name in [name for name in vars(self) if isinstance(getattr(type(self), name, None), _CACHED)]:
            del vars(self)[name]

    async def open_client(self, service: str) -> Any:
        """An asynchronous client as a context manager that is yet to be entered."""
        # The connection may be read from the metadata database: not on the event loop.
        return await sync_to_async(self._make_client)(service, asynchronous=True)

    @property
    def rate_limiter(self) -> RateLimiter:
        """What paces the calls of this process with this connection and Region, and all others to the same account."""
        return rate_limiter_of((self.aws_conn_id, self._region_name))

    def _client_of(self, service: str) -> Any:
        if service == self.service:
            client = self.conn
        else:
            if service not in self._clients:
                self._clients[service] = self._make_client(service, asynchronous=False)
            client = self._clients[service]
        self._has_connected = True
        return client

    def _make_client(self, service: str, *, asynchronous: bool) -> Any:
        """A client of any service, with the connection, Region and endpoints of this hook."""
        session = self._session(service, self.region_name, asynchronous=asynchronous)
        if asynchronous and hasattr(session, "warm_up_loader_caches"):
            # Older ones read the models, and the names of thousands of files, on the event loop.
            session.warm_up_loader_caches(service)
        make = session.create_client if asynchronous else session.client
        config = self._get_config()
        if service in _NEVER_REPEATED:
            config = config.merge(_ONCE)
        if service not in SERVICES:
            config = (_LISTENING if service == "sqs" else _BESIDE).merge(config)
        if asynchronous:
            from airflow_emrs_ext.runtime.redirects import without_redirects  # a worker needs no aiobotocore

            config = without_redirects(config)
        return make(
            service,
            endpoint_url=self.conn_config.get_service_endpoint_url(service_name=service),
            config=config,
            verify=self.verify,
        )

    def get_session(self, region_name: str | None = None, deferrable: bool = False) -> Any:
        """The session of boto3 (or, deferrable, of aiobotocore) that clients are made from, one that knows sessions."""
        return self._session(self.service, region_name, asynchronous=deferrable)

    def _session(self, service: str, region_name: str | None, *, asynchronous: bool) -> Any:
        session: Any = extend(super().get_session(region_name=region_name, deferrable=asynchronous), service)
        if not asynchronous:
            check_lengths(session)
        return session

    def _get_config(self, config: Config | None = None) -> Config:
        merged: Config = super()._get_config(config)
        # A user's own setting stays.
        stays = getattr(merged, "retries", None) and self.service not in _NEVER_REPEATED
        return merged if stays else merged.merge(_ONCE)


def default_wait_policy() -> WaitPolicy:
    """The waiting times of Airflow's configuration, without a deadline."""
    return WaitPolicy(
        waiter_delay=settings.waiter_delay(),
        call_patience=settings.patience(),
        access_patience=settings.access_patience(),
        progress_interval=settings.progress_interval(),
        driver_log_interval=settings.driver_log_interval(),
        notification_queue=settings.notification_queue(),
    )
