"""The endpoint as a whole: all that it owns."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.dashboards import Dashboards
from airflow_emrs_ext.local.base.runner import DriverSpec, Runner
from airflow_emrs_ext.local.protocol.aws_json import AwsJson
from airflow_emrs_ext.local.protocol.rest_json import JsonProtocol, RestJson
from airflow_emrs_ext.local.runners.logs import LogDelivery
from airflow_emrs_ext.local.runners.simulated import SimulatedRunner
from airflow_emrs_ext.local.runners.spark.uis import SparkUis
from airflow_emrs_ext.local.server.api import CALLS_KEPT, Answering, Api
from airflow_emrs_ext.local.server.faults import Faults
from airflow_emrs_ext.local.server.iam import Iam
from airflow_emrs_ext.local.server.kept_state import KeptState, Part
from airflow_emrs_ext.local.server.quotas import Quotas
from airflow_emrs_ext.local.services.connect.access import ConnectAccess
from airflow_emrs_ext.local.services.connect.gateway import ConnectGateway
from airflow_emrs_ext.local.services.emr_containers import events as containers_events
from airflow_emrs_ext.local.services.emr_containers.service import EmrContainers
from airflow_emrs_ext.local.services.emr_on_ec2.service import EmrOnEc2, operations_of
from airflow_emrs_ext.local.services.emr_serverless import events as serverless_events
from airflow_emrs_ext.local.services.emr_serverless.metering import Metering
from airflow_emrs_ext.local.services.emr_serverless.service import EmrServerless
from airflow_emrs_ext.local.services.event_bus import EventBus
from airflow_emrs_ext.local.services.moto_services import AwsServices
from airflow_emrs_ext.local.services.persistent_uis import PersistentAppUIs
from airflow_emrs_ext.shared.quotas import quotas_of
from airflow_emrs_ext.shared.service_model import extend

if TYPE_CHECKING:
    from airflow_emrs_ext.local.s3.gateway import S3Gateway
    from airflow_emrs_ext.local.server.certificates import Certificate
    from airflow_emrs_ext.local.services.connect.registry import ConnectHosts
    from airflow_emrs_ext.local.services.emr_containers.managed_endpoints import ManagedEndpoint
    from airflow_emrs_ext.local.services.emr_on_ec2.sessions import Session as ClusterSession
    from airflow_emrs_ext.local.services.emr_serverless.sessions import Session

SERVERLESS, CONTAINERS, EC2 = "emr-serverless", "emr-containers", "emr"


@dataclass(frozen=True)
class Options:
    """What the command line says.

    :param host: address to bind
    :param port: port to bind; 0: a free one
    :param runner: ``spark`` or ``simulated``
    :param runtime: ``release``: each driver runs on the Spark of its release, if that is on this machine; or a line
        such as ``4.1`` for all
    :param jars_dir: where the jars of the service's images are that jobs name, such as Iceberg's; ``None``: nowhere
    :param repositories: URLs of the Maven repositories that ``--packages`` of jobs are resolved from
    :param quota_scale: factor on the service's API quotas; 0: none
    :param account_vcpus: vCPUs that the account may use at once
    :param iam: a file of callers and their policies; ``None``: everybody may do everything
    :param lenient: take and log what AWS refuses by its user guide
    :param state_dir: where files and the state are kept, for the next endpoint to go on with; ``None``: a directory
        that is removed at the end
    :param tls_port: port that speaks TLS, too; 0: a free one, ``None``: none, and sessions without TLS
    :param sessions_port: port of Spark Connect; 0: a free one
    :param s3_endpoint: another S3 for Spark and the logs instead of the endpoint's own
    :param exit_with_parent: end when the process that started the endpoint is gone
    :param allowed_hosts: further host names, each with all below it, and addresses under which it answers
    :param allowed_origins: origins whose web pages may use it, e.g. ``http://localhost:3000``
    :param moto_api: whether moto's own control paths are answered
    """

    host: str = "127.0.0.1"
    port: int = 4568
    runner: str = "spark"
    runtime: str = "release"
    jars_dir: Path | None = None
    repositories: Sequence[str] = ()
    quota_scale: float = 1.0
    account_vcpus: float = 16.0
    iam: Path | None = None
    lenient: bool = False
    state_dir: Path | None = None
    tls_port: int | None = None
    sessions_port: int = 0
    s3_endpoint: str | None = None
    exit_with_parent: bool = False
    allowed_hosts: Sequence[str] = ()
    allowed_origins: Sequence[str] = ()
    moto_api: bool = False


class Endpoint:
    """What answers requests, and all that it needs.

    :param options: what the command line says
    :param url: where the endpoint can be reached
    :param state_dir: an existing directory for its files
    :param certificate: for sessions; ``None``: they speak no TLS
    :raises IamError: the file of callers cannot be used
    """

    def __init__(self, options: Options, url: str, state_dir: Path, certificate: Certificate | None = None) -> None:
        self.options = options
        self.config: ServiceConfig = ServiceConfig(
            quota_scale=options.quota_scale,
            account_vcpus=options.account_vcpus,
            lenient=options.lenient,
            endpoint_url=url,
        )
        self.faults: Faults = Faults()
        self.calls: deque[dict[str, Any]] = deque(maxlen=CALLS_KEPT)
        self._initial_config = self.config.as_dict()
        self._target = AwsTarget(url, self.config.region, options.s3_endpoint)
        self.spark_uis: SparkUis = SparkUis(url)
        self._runner = self._make_runner(state_dir)
        access = ConnectAccess(self.config)
        self._connect = ConnectGateway(
            access, self.config, options.sessions_port, (certificate.chain, certificate.key) if certificate else None
        )
        access.gateway_url = self._connect.url
        self.dashboards: Dashboards = Dashboards(self._runner, self.config)
        self.serverless: EmrServerless = EmrServerless(
            self._runner,
            config=self.config,
            work_dir=state_dir,
            deliver_logs=self._log_delivery,
            access=access,
            dashboards=self.dashboards,
        )
        models = {
            name: extend(botocore.session.get_session(), name).get_service_model(name)
            for name in (SERVERLESS, CONTAINERS, EC2)
        }
        self.iam: Iam = Iam(self.config, models.values())
        if options.iam is not None:
            self.iam.load(options.iam)
        self._initial_callers = self.iam.callers
        self.containers: EmrContainers = EmrContainers(
            self._runner,
            model=models[CONTAINERS],
            config=self.config,
            work_dir=state_dir,
            deliver_logs=self._log_delivery,
            access=access,
        )
        self.ec2: EmrOnEc2 = EmrOnEc2(
            self._runner,
            config=self.config,
            work_dir=state_dir,
            persistent_uis=PersistentAppUIs(self.config, self.containers.job_runs, self.dashboards),
            deliver_logs=self._log_delivery,
            access=access,
        )
        self.aws: AwsServices = AwsServices(control=options.moto_api)
        self._events = EventBus(
            self.config, serverless_events.events, containers_events.events, delivered=self.aws.changed
        )
        for service in (self.serverless, self.containers, self.ec2):
            service.listeners += [self._connect.changed, self._events.changed]
        self._metering = Metering(self.serverless, self._target, self._events.send)
        self.serverless.listeners.append(self._metering.changed)
        served: tuple[tuple[JsonProtocol, Answering, Mapping[str, tuple[float, float]], str], ...] = (
            (RestJson(models[SERVERLESS]), self.serverless, quotas_of(SERVERLESS), "ThrottlingException"),
            (RestJson(models[CONTAINERS]), self.containers, quotas_of(CONTAINERS), "EKSRequestThrottledException"),
            (AwsJson(models[EC2], operations_of(models[EC2])), self.ec2, quotas_of(EC2), "ThrottlingException"),
        )
        self.apis: dict[Any, Api] = {
            protocol.model.service_name: Api(
                protocol,
                service,
                self.config,
                Quotas(quotas),
                self.faults,
                self.calls,
                self.iam,
                throttling_code=throttling_code,
            )
            for protocol, service, quotas, throttling_code in served
        }
        self.gateway: S3Gateway | None = self._make_gateway()
        self._kept: KeptState | None = None
        if options.state_dir is not None:
            # moto first: the ends of what ran are events for its queues.
            parts: dict[str, Part] = {
                "aws": self.aws,
                SERVERLESS: self.serverless,
                CONTAINERS: self.containers,
                EC2: self.ec2,
            }
            self._kept = KeptState(state_dir, {"moto": version("moto")}, parts)

    async def start(self) -> None:
        """Make everything ready for requests, and go on with what ``--state-dir`` has kept.

        :raises StateError: that cannot be used
        """
        await self._runner.start()
        if self.options.sessions_port:
            await self._connect.listen()
        if self._kept is not None:
            await self._kept.start()

    def started(self) -> None:
        """What can wait until requests are accepted."""
        self.aws.load()
        self._metering.start()

    async def close(self) -> None:
        """End everything that was started; requests are still answered meanwhile, as a job may need its S3."""
        for api in self.apis.values():
            api.close()
        await self._connect.close()
        await self._metering.close()
        await self.serverless.close()
        await self.containers.close()
        await self.ec2.close()
        await self._events.close()
        await self._runner.close()
        if self.gateway is not None:
            self.gateway.close()

    async def closed(self) -> None:
        """Keep the state for the last time, after the last answer."""
        if self._kept is not None:
            await self._kept.close()

    async def reset(self) -> None:
        """Stop what runs and forget everything."""
        await self.serverless.reset()
        await self.containers.reset()
        await self.ec2.reset()
        await self._connect.reset()
        self.faults.clear()
        self.calls.clear()
        self.iam.callers = self._initial_callers
        for api in self.apis.values():
            api.quotas.reset()
        for name, value in self._initial_config.items():
            setattr(self.config, name, value)
        if isinstance(self._runner, SimulatedRunner):
            self._runner.clear_scripts()
        if self.gateway is not None:
            self.gateway.reset()
        await self.aws.reset()

    def simulated_runner(self) -> SimulatedRunner:
        """The runner that follows scripts.

        :raises ValueError: the endpoint runs real Spark
        """
        if not isinstance(self._runner, SimulatedRunner):
            raise ValueError("runner: scripts are for an endpoint with --runner simulated; this one runs Spark")
        return self._runner

    def connect_hosts(
        self,
    ) -> tuple[ConnectHosts[Session], ConnectHosts[ManagedEndpoint], ConnectHosts[ClusterSession]]:
        """Everything that serves Spark Connect."""
        return self.serverless.sessions, self.containers.managed_endpoints, self.ec2.sessions

    def operations(self) -> dict[str, list[str]]:
        """The operations of each service."""
        return {name: api.protocol.operation_names for name, api in self.apis.items()}

    def _make_runner(self, state_dir: Path) -> Runner:
        if self.options.runner == "simulated":
            return SimulatedRunner(self.config.endpoint_url)
        from airflow_emrs_ext.local.runners.spark.jars import JarSources
        from airflow_emrs_ext.local.runners.spark.runner import SparkRunner

        jars = JarSources(self.options.jars_dir, self.options.repositories)
        return SparkRunner(self._target, state_dir, self.spark_uis, self.options.runtime, jars)

    def _log_delivery(self, spec: DriverSpec, log_files: Mapping[tuple[str, str], Path]) -> LogDelivery:
        target = self._target.in_region(spec.region)
        return LogDelivery(
            spec,
            log_files,
            target,
            lambda: self.config.log_refresh_seconds,
            lambda: self._runner.event_log(spec),
        )

    def _make_gateway(self) -> S3Gateway | None:
        if self.options.runner == "simulated":
            return None
        from airflow_emrs_ext.local.s3.gateway import S3Gateway

        return S3Gateway(self._target)
