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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.connect.access import ConnectAccess
from airflow_emrs_ext.local.connect.hosts import ConnectHost, HostKind
from airflow_emrs_ext.local.connect.registry import ConnectHosts
from airflow_emrs_ext.local.connect.walk import ConnectWalker
from airflow_emrs_ext.local.emr_containers.monitoring import log_destinations, read_monitoring
from airflow_emrs_ext.local.emr_containers.naming import (
    managed_endpoint_arn,
    new_cluster_id,
    new_numbered_id,
    new_spark_application_id,
)
from airflow_emrs_ext.local.emr_containers.pods import Pods, pods_of
from airflow_emrs_ext.local.emr_containers.releases import SPARK_CONNECT_ENDPOINTS, parse_release
from airflow_emrs_ext.local.emr_containers.transitions import MANAGED_ENDPOINT
from airflow_emrs_ext.local.emr_containers.virtual_clusters import VirtualCluster, VirtualClusters
from airflow_emrs_ext.local.emr_containers.walk import PRODUCT
from airflow_emrs_ext.local.errors import ApiError, validation_error
from airflow_emrs_ext.local.resources.configuration import (
    Classifications,
    check_configurations,
    merge_classifications,
)
from airflow_emrs_ext.local.resources.driving import until
from airflow_emrs_ext.local.resources.lifecycle import Lifecycle, Listener
from airflow_emrs_ext.local.resources.pagination import created_within, listing, page
from airflow_emrs_ext.local.resources.records import history, plain
from airflow_emrs_ext.local.resources.tags import check_tags
from airflow_emrs_ext.local.resources.views import filled
from airflow_emrs_ext.local.runner import ConnectSpec
from airflow_emrs_ext.shared.states import ManagedEndpointState as S

SPARK_CONNECT = "SPARK_CONNECT"
"""The type of a managed endpoint that serves Spark Connect, the only one here."""

_DEFAULT_TOKEN_SECONDS = 15 * 60
_LONGEST_TOKEN_SECONDS = 12 * 60 * 60
# How long a token of EMR Serverless is good in AWS; the tokens here are shortened in the same proportion as those.
_FULL_TOKEN_SECONDS = 3600.0


@dataclass(kw_only=True)
class ManagedEndpoint(ConnectHost):
    """One managed endpoint.

    :param number: place among all of them, in the order of their creation
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

    arn: str
    number: int
    cluster: VirtualCluster
    params: Mapping[str, Any]
    classifications: Classifications
    monitoring: Mapping[str, Any]
    pods: Pods
    tags: dict[str, str]
    work_dir: Path
    url: str | None = None


class ManagedEndpointWalker(ConnectWalker[ManagedEndpoint]):
    """Leads managed endpoints through their states."""

    async def prepare(self, host: ManagedEndpoint) -> ConnectSpec:
        """What takes its time in AWS: a driver's pod, and a load balancer in front of it."""
        await until(host.end, asyncio.sleep(self.config.session_start_seconds))
        params, cluster_id = host.params, host.cluster.virtual_cluster_id
        spark_application_id = new_spark_application_id()
        return ConnectSpec(
            product=PRODUCT,
            owner_id=cluster_id,
            driver_name=f"spark-{host.host_id}-driver",
            ui_id=spark_application_id,
            host_id=host.host_id,
            account_id=self.config.account_id,
            region=self.config.region,
            name=params["name"],
            release_label=params["releaseLabel"],
            execution_role_arn=params["executionRoleArn"],
            classifications=host.classifications,
            logs=log_destinations(host.monitoring),
            log_path=f"{cluster_id}/endpoints/{host.host_id}/containers/{spark_application_id}",
            driver=host.pods.driver,
            executor=host.pods.executor,
            executor_count=host.pods.executor_count,
            work_dir=host.work_dir,
            tags=host.tags,
        )


class ManagedEndpoints(ConnectHosts[ManagedEndpoint]):
    """All managed endpoints of the account.

    :param config: account and Region
    :param clusters: the virtual clusters that they are in
    :param walker: leads each through its states
    :param access: mints what GetManagedEndpointSessionCredentials answers
    :param listeners: told of every change of state
    :param work_dir: where they get their directories
    """

    def __init__(
        self,
        config: ServiceConfig,
        clusters: VirtualClusters,
        walker: ManagedEndpointWalker,
        access: ConnectAccess,
        listeners: list[Listener],
        work_dir: Path,
    ) -> None:
        super().__init__(walker, access)
        self._config = config
        self._clusters = clusters
        self._listeners = listeners
        self._work_dir = work_dir

    def find(self, cluster_id: str, endpoint_id: str, *, code: str = "ResourceNotFoundException") -> ManagedEndpoint:
        """The managed endpoint of a virtual cluster.

        :param code: the error where the operation declares another one
        :raises ApiError: there is none
        """
        cluster = self._clusters.get(cluster_id, code=code)
        endpoint = self._by_id.get(endpoint_id)
        if endpoint is None or endpoint.cluster is not cluster:
            raise ApiError(code, f"Managed endpoint {endpoint_id} of virtual cluster {cluster_id} does not exist")
        return endpoint

    def create(self, cluster: VirtualCluster, params: Mapping[str, Any]) -> ManagedEndpoint:
        """CreateManagedEndpoint.

        :raises ApiError: a parameter is not usable; it is named
        """
        endpoint_id = new_cluster_id()
        endpoint = ManagedEndpoint(
            host_id=endpoint_id,
            arn=managed_endpoint_arn(self._config, cluster.virtual_cluster_id, endpoint_id),
            number=len(self._by_id),
            cluster=cluster,
            params=params,
            tags=dict(params.get("tags") or {}),
            life=Lifecycle(MANAGED_ENDPOINT, self._listeners),
            idle_timeout_minutes=params.get("sessionIdleTimeoutInMinutes", 0),
            clock=self._walker.clock,
            work_dir=self._work_dir / cluster.virtual_cluster_id / endpoint_id,
            end=asyncio.get_running_loop().create_future(),
            **_read_request(params),
        )
        endpoint.move(S.CREATING, "The managed endpoint is being created.")
        self._by_id[endpoint_id] = endpoint
        cluster.active_endpoints.add(endpoint_id)
        endpoint.task = asyncio.create_task(self._walk(endpoint))
        return endpoint

    def page(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """ListManagedEndpoints: newest first, in every state unless the request names some."""
        cluster = self._clusters.get(params["virtualClusterId"], code="ValidationException")
        states, types = params.get("states"), params.get("types")
        shown, token = page(
            "ListManagedEndpoints",
            (
                endpoint
                for endpoint in self
                if endpoint.cluster is cluster
                and (not states or endpoint.state in states)
                and (not types or endpoint.params["type"] in types)
                and created_within(endpoint.created_at, params.get("createdAfter"), params.get("createdBefore"))
            ),
            lambda endpoint: (-endpoint.number,),
            params,
        )
        return listing("endpoints", [self.view(endpoint) for endpoint in shown], token)

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
            raise validation_error(f"executionRoleArn: is not the role of managed endpoint {endpoint.host_id}")
        if not endpoint.is_ready:
            raise validation_error(
                f"Endpoint is in invalid state. Managed endpoint {endpoint.host_id} is {endpoint.state}; there are"
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

    def view(self, endpoint: ManagedEndpoint) -> dict[str, Any]:
        """The ``Endpoint`` structure."""
        params = endpoint.params
        return filled(
            id=endpoint.host_id,
            name=params["name"],
            arn=endpoint.arn,
            virtualClusterId=endpoint.cluster.virtual_cluster_id,
            type=params["type"],
            state=endpoint.state,
            releaseLabel=params["releaseLabel"],
            executionRoleArn=params["executionRoleArn"],
            certificateArn=params.get("certificateArn"),
            configurationOverrides=params.get("configurationOverrides"),
            authProxyUrl=endpoint.url if endpoint.started_at else None,
            createdAt=endpoint.created_at,
            stateDetails=endpoint.life.details,
            failureReason="USER_ERROR" if endpoint.state is S.TERMINATED_WITH_ERRORS else None,
            tags=dict(endpoint.tags),
        )

    def records(self, virtual_cluster_id: str | None = None) -> list[dict[str, Any]]:
        """Every managed endpoint with all that is known of it, oldest first, as plain JSON.

        Beside the members of the API: ``clientToken``, ``classifications``, ``monitoring``, ``tokensMinted``,
        ``callsInFlight``, ``logPath``, ``workDir`` and ``stateHistory``.

        :param virtual_cluster_id: only those of one virtual cluster
        """
        return [
            {
                **plain(self.view(endpoint)),
                "clientToken": endpoint.params["clientToken"],
                "classifications": plain(endpoint.classifications),
                "monitoring": plain(endpoint.monitoring),
                "tokensMinted": endpoint.tokens_minted,
                "callsInFlight": endpoint.in_flight,
                "logPath": endpoint.spec.log_path if endpoint.spec else None,
                "workDir": str(endpoint.work_dir),
                "stateHistory": history(endpoint.life),
            }
            for endpoint in self
            if virtual_cluster_id in (None, endpoint.cluster.virtual_cluster_id)
        ]

    async def _walk(self, endpoint: ManagedEndpoint) -> None:
        try:
            endpoint.url = await self.access.url()
            await self._walker.walk(endpoint)
        finally:
            endpoint.cluster.active_endpoints.discard(endpoint.host_id)


def _read_request(params: Mapping[str, Any]) -> dict[str, Any]:
    """Check a CreateManagedEndpoint request.

    :return: what its configuration comes to
    :raises ApiError: a parameter is not usable; it is named
    """
    if params["type"] != SPARK_CONNECT:
        raise validation_error(
            f"type: the local endpoint has managed endpoints of the type {SPARK_CONNECT} only, none of the type"
            f" {params['type']}"
        )
    if parse_release(params["releaseLabel"]) < SPARK_CONNECT_ENDPOINTS:
        raise validation_error(
            f"releaseLabel: managed endpoints of the type {SPARK_CONNECT} are supported from emr-7.14.0, not"
            f" {params['releaseLabel']}"
        )
    check_tags(params.get("tags") or {})
    minutes = params.get("sessionIdleTimeoutInMinutes")
    if minutes is not None and minutes < 1:
        raise validation_error(f"sessionIdleTimeoutInMinutes: must be at least 1, not {minutes}")
    overrides = params.get("configurationOverrides") or {}
    configurations = overrides.get("applicationConfiguration")
    check_configurations(configurations, "configurationOverrides.applicationConfiguration")
    classifications = merge_classifications(None, configurations)
    return {
        "classifications": classifications,
        "monitoring": read_monitoring(overrides.get("monitoringConfiguration")),
        "pods": pods_of(classifications.get("spark-defaults", {})),
    }
