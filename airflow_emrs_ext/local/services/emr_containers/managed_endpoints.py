"""Managed endpoints: Spark Connect servers in a virtual cluster.

What a client of Spark Connect does:

1. CreateManagedEndpoint with the type ``SPARK_CONNECT``, then DescribeManagedEndpoint until ``state`` is ACTIVE. From
   then on ``authProxyUrl`` says where the endpoint is reached, as the endpoint of a session of EMR Serverless is; in
   AWS it is a host behind TLS on port 443 (``sc://<host>:443/;use_ssl=true``), here a ``http://`` URL without TLS.
2. GetManagedEndpointSessionCredentials for a token, which ``credentials.token`` holds.
3. Each gRPC call carries the token in the metadata ``x-aws-proxy-auth``, the same as for a session.

There is no resource for a session: each client has a Spark session of its own on the endpoint, and each endpoint has
its own URL in AWS, so a client of one that was replaced connects anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.configuration import Classifications, merge_classifications
from airflow_emrs_ext.local.base.driving import DeliverLogs, until
from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.leniency import enforce
from airflow_emrs_ext.local.base.lifecycle import Lifecycle
from airflow_emrs_ext.local.base.regions import region_of
from airflow_emrs_ext.local.base.releases import newer_release
from airflow_emrs_ext.local.base.runner import ConnectSpec, Runner, Workers
from airflow_emrs_ext.local.base.tags import check_tags
from airflow_emrs_ext.local.base.views import filled
from airflow_emrs_ext.local.services.connect.access import ConnectAccess
from airflow_emrs_ext.local.services.connect.hosts import ConnectHost, HostKind
from airflow_emrs_ext.local.services.connect.registry import ConnectHosts
from airflow_emrs_ext.local.services.connect.walk import ConnectWalker
from airflow_emrs_ext.local.services.emr_containers.monitoring import log_destinations, read_monitoring
from airflow_emrs_ext.local.services.emr_containers.naming import (
    driver_names,
    new_cluster_id,
    new_numbered_id,
)
from airflow_emrs_ext.local.services.emr_containers.pods import pods_of
from airflow_emrs_ext.local.services.emr_containers.releases import parse_release, serves_spark_connect
from airflow_emrs_ext.local.services.emr_containers.transitions import MANAGED_ENDPOINT
from airflow_emrs_ext.local.services.emr_containers.virtual_clusters import VirtualCluster
from airflow_emrs_ext.local.services.emr_containers.walk import PRODUCT
from airflow_emrs_ext.shared.states import ManagedEndpointState as S
from airflow_emrs_ext.shared.states import State

SPARK_CONNECT = "SPARK_CONNECT"
"""The type of a managed endpoint that serves Spark Connect, the only one here."""

_DEFAULT_TOKEN_SECONDS = 15 * 60
_LONGEST_TOKEN_SECONDS = 12 * 60 * 60
# How long a token of EMR Serverless is good in AWS; the tokens here are shortened in the same proportion as those.
_FULL_TOKEN_SECONDS = 3600.0


@dataclass(kw_only=True)
class ManagedEndpoint(ConnectHost):
    """One managed endpoint.

    :param params: the request
    :param url: where clients of Spark Connect reach it, once it is ACTIVE
    """

    KIND = HostKind(
        noun="managed endpoint",
        token_operation="GetManagedEndpointSessionCredentials",
        idle_parameter="sessionIdleTimeoutInMinutes",
        began=S.ACTIVE,
        ready=frozenset({S.ACTIVE}),
        terminating=S.TERMINATING,
        terminated=S.TERMINATED,
        failed=S.TERMINATED_WITH_ERRORS,
    )

    owner: VirtualCluster
    params: Mapping[str, Any]
    classifications: Classifications
    monitoring: Mapping[str, Any]
    pods: Workers
    url: str | None = None


class ManagedEndpointWalker(ConnectWalker[ManagedEndpoint]):
    """Leads managed endpoints through their states; see :class:`~.walk.ConnectWalker`.

    :param access: how clients come in
    """

    def __init__(
        self, runner: Runner, config: ServiceConfig, deliver_logs: DeliverLogs | None, access: ConnectAccess
    ) -> None:
        super().__init__(runner, config, deliver_logs)
        self._access = access

    async def prepare(self, host: ManagedEndpoint) -> ConnectSpec:
        """What takes its time in AWS: a driver's pod, and a load balancer in front of it."""
        await until(host.end, asyncio.sleep(self.config.session_start_seconds))
        host.url = await self._access.url()
        params, cluster_id = host.params, host.owner_id
        spark_application_id, driver_name = driver_names(host.id)
        return ConnectSpec(
            product=PRODUCT,
            owner_id=cluster_id,
            driver_name=driver_name,
            ui_id=spark_application_id,
            host_id=host.id,
            account_id=self.config.account_id,
            region=region_of(self.config),
            name=params["name"],
            release_label=params["releaseLabel"],
            execution_role_arn=params["executionRoleArn"],
            classifications=host.classifications,
            logs=log_destinations(host.monitoring),
            log_path=f"{cluster_id}/endpoints/{host.id}/containers/{spark_application_id}",
            workers=host.pods,
            work_dir=host.work_dir,
            tags=host.tags,
        )


class ManagedEndpoints(ConnectHosts[ManagedEndpoint]):
    """All managed endpoints of the account; see also :class:`~.registry.ConnectHosts`."""

    NOUN: ClassVar[str] = "Managed endpoint"
    MEMBER: ClassVar[str] = "endpoints"
    LOST: ClassVar[tuple[State, ...]] = (S.TERMINATED_WITH_ERRORS, S.TERMINATED)

    def create(self, cluster: VirtualCluster, params: Mapping[str, Any]) -> dict[str, Any]:
        """CreateManagedEndpoint.

        :raises ApiError: the virtual cluster takes no work, or a parameter is not usable; it is named
        """
        cluster.check_takes_work()
        endpoint_id = new_cluster_id()
        endpoint = ManagedEndpoint(
            id=endpoint_id,
            arn=f"{cluster.arn}/endpoints/{endpoint_id}",
            name=params["name"],
            owner=cluster,
            params=params,
            tags=dict(params.get("tags") or {}),
            life=Lifecycle(MANAGED_ENDPOINT, self._listeners),
            idle_timeout_minutes=params.get("sessionIdleTimeoutInMinutes", 0),
            clock=self._walker.clock,
            work_dir=self._work_dir / cluster.id / endpoint_id,
            end=asyncio.get_running_loop().create_future(),
            **_read_request(params, self._config.lenient),
        )
        endpoint.move(S.CREATING, "The managed endpoint is being created.")
        self.add(endpoint)
        cluster.active_endpoints.add(endpoint_id)
        endpoint.task = asyncio.create_task(self._walk(endpoint))
        return {"id": endpoint.id, "name": endpoint.name, "arn": endpoint.arn, "virtualClusterId": cluster.id}

    def delete(self, endpoint: ManagedEndpoint) -> None:
        """DeleteManagedEndpoint: at once TERMINATING; harmless for one that is ending or has ended."""
        self._walker.terminate(endpoint, "Managed endpoint deleted by request (DeleteManagedEndpoint).")

    def credentials(self, endpoint: ManagedEndpoint, params: Mapping[str, Any]) -> dict[str, Any]:
        """GetManagedEndpointSessionCredentials: a new token."""
        seconds = params.get("durationInSeconds", _DEFAULT_TOKEN_SECONDS)
        if params["credentialType"] != "TOKEN":
            raise validation_error(f"credentialType: must be TOKEN, not {params['credentialType']}")
        if not 1 <= seconds <= _LONGEST_TOKEN_SECONDS:
            raise validation_error(f"durationInSeconds: must be from 1 to {_LONGEST_TOKEN_SECONDS}, not {seconds}")
        if params["executionRoleArn"] != endpoint.params["executionRoleArn"]:
            raise validation_error(f"executionRoleArn: is not the role of managed endpoint {endpoint.id}")
        if not endpoint.is_ready:
            raise validation_error(
                f"Endpoint is in invalid state. Managed endpoint {endpoint.id} is {endpoint.state}; there are"
                " credentials only while it is ACTIVE."
            )
        token, expires_at = self.access.mint(
            endpoint, seconds * self._config.session_token_seconds / _FULL_TOKEN_SECONDS
        )
        return {
            "id": new_numbered_id(),
            "credentials": {"token": token},
            "endpointCredentials": {"token": token},
            "expiresAt": expires_at,
        }

    def summary(self, resource: ManagedEndpoint) -> dict[str, Any]:
        """The ``Endpoint`` structure."""
        params = resource.params
        return filled(
            id=resource.id,
            name=resource.name,
            arn=resource.arn,
            virtualClusterId=resource.owner_id,
            type=params["type"],
            state=resource.state,
            releaseLabel=params["releaseLabel"],
            executionRoleArn=params["executionRoleArn"],
            certificateArn=params.get("certificateArn"),
            configurationOverrides=params.get("configurationOverrides"),
            authProxyUrl=resource.url if resource.started_at else None,
            createdAt=resource.created_at,
            stateDetails=resource.life.details,
            failureReason="USER_ERROR" if resource.state is S.TERMINATED_WITH_ERRORS else None,
            tags=dict(resource.tags),
        )

    def record(self, resource: ManagedEndpoint) -> dict[str, Any]:
        """The ``Endpoint`` structure, the request behind it, and what became of it.

        Beside the members of the API: ``clientToken``, ``classifications``, ``monitoring``, ``tokensMinted``,
        ``callsInFlight``, ``logPath`` and ``workDir``.
        """
        return {
            **self.summary(resource),
            "clientToken": resource.params["clientToken"],
            "classifications": resource.classifications,
            "monitoring": resource.monitoring,
            "tokensMinted": resource.tokens_minted,
            "callsInFlight": resource.in_flight,
            **resource.paths(),
            "workDir": resource.work_dir,
        }

    def _listed(self, params: Mapping[str, Any]) -> Iterator[ManagedEndpoint]:
        types, endpoints = params.get("types"), self._of(params["virtualClusterId"], code="ValidationException")
        return (endpoint for endpoint in endpoints if not types or endpoint.params["type"] in types)

    async def _walk(self, endpoint: ManagedEndpoint) -> None:
        try:
            await self._walker.walk(endpoint)
        finally:
            endpoint.owner.active_endpoints.discard(endpoint.id)


def _read_request(params: Mapping[str, Any], lenient: bool) -> dict[str, Any]:
    """Check a CreateManagedEndpoint request.

    :param lenient: take a release that is newer than this package, and log it
    :return: what its configuration comes to
    :raises ApiError: a parameter is not usable; it is named
    """
    if params["type"] != SPARK_CONNECT:
        raise validation_error(
            f"type: the local endpoint has managed endpoints of the type {SPARK_CONNECT} only, none of the type"
            f" {params['type']}"
        )
    release = parse_release(params["releaseLabel"])
    enforce(newer_release(params["releaseLabel"], release), lenient)
    if not serves_spark_connect(release):
        raise validation_error(
            f"releaseLabel: managed endpoints of the type {SPARK_CONNECT} are supported from emr-7.14.0 and"
            f" emr-spark-8.1.0, not {params['releaseLabel']}"
        )
    check_tags(params.get("tags") or {})
    minutes = params.get("sessionIdleTimeoutInMinutes")
    if minutes is not None and minutes < 1:
        raise validation_error(f"sessionIdleTimeoutInMinutes: must be at least 1, not {minutes}")
    overrides = params.get("configurationOverrides") or {}
    classifications = merge_classifications(
        None, overrides.get("applicationConfiguration"), "configurationOverrides.applicationConfiguration"
    )
    return {
        "classifications": classifications,
        "monitoring": read_monitoring(overrides.get("monitoringConfiguration")),
        "pods": pods_of(classifications.get("spark-defaults", {})),
    }
