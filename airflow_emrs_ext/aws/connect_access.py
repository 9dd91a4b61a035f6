"""How a client of Spark Connect gets into what serves it: each service hands out tokens in its own way."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_emrs_ext.aws import containers, ec2, serverless
from airflow_emrs_ext.core.effects import Effects, RunContext
from airflow_emrs_ext.exceptions import ConfigurationError, ServiceUnavailable
from airflow_emrs_ext.resources import CLUSTER_SESSION, MANAGED_ENDPOINT, SESSION, SPARK_CONNECT, EndableKind
from airflow_emrs_ext.shared.states import State

TOKEN_HEADER = "x-aws-proxy-auth"
"""Name of the metadata in which the services' endpoints expect the token."""

# How long credentials are used whose end the service does not say; when they are refused sooner, new ones are fetched.
_UNDATED = timedelta(minutes=15)


@dataclass(frozen=True)
class Access:
    """An address, and what shows at it that a client may use it.

    :param endpoint: URL
    :param token: a secret: whoever has it runs code with the role of the session or endpoint
    :param expires_at: when the token ends
    :param header: name of the metadata in which the token is expected
    """

    endpoint: str
    token: str = field(repr=False)
    expires_at: datetime
    header: str = TOKEN_HEADER


def spark_connect_kind(given: Mapping[str, Any]) -> EndableKind[State]:
    """The kind of a session or of a managed endpoint, by its ids.

    :param given: a reference to it, e.g. the result of the operator that started it
    :raises ConfigurationError: it is none of them
    """
    for kind in SPARK_CONNECT:
        if all(isinstance(given.get(name), str) for name in kind.id_names):
            return kind
    raise ConfigurationError(
        f"{dict(given)!r} is neither a session (`application_id`, `session_id`; of EMR on EC2 `cluster_id`, "
        "`session_id`) nor a managed endpoint of EMR on EKS (`virtual_cluster_id`, `endpoint_id`)."
    )


def access_to(ctx: RunContext, given: Mapping[str, Any]) -> Effects[Access]:
    """A new token, and where it is good.

    :param given: reference to a session, or to a managed endpoint; ``execution_role_arn`` of the latter is the role
        that its credentials are asked for, by default its own; with ``direct`` a session of EMR on EC2 is reached
        without the proxy, from within its VPC
    """
    return (yield from _ACCESS[spark_connect_kind(given).key](ctx, given))


def _access_to_session(ctx: RunContext, given: Mapping[str, Any]) -> Effects[Access]:
    """GetSessionEndpoint."""
    found = yield from serverless.get_session_endpoint(ctx, **SESSION.pick(given))
    return Access(found["endpoint"], found["authToken"], found["authTokenExpiresAt"])


def _access_to_managed_endpoint(ctx: RunContext, given: Mapping[str, Any]) -> Effects[Access]:
    """DescribeManagedEndpoint and GetManagedEndpointSessionCredentials."""
    ids = MANAGED_ENDPOINT.pick(given).values()
    endpoint = yield from containers.describe_managed_endpoint(ctx, *ids)
    role = given.get("execution_role_arn") or endpoint["executionRoleArn"]
    credentials = yield from containers.get_managed_endpoint_session_credentials(ctx, *ids, execution_role_arn=role)
    return Access(_url(endpoint["authProxyUrl"]), credentials["credentials"]["token"], credentials["expiresAt"])


def _access_to_cluster_session(ctx: RunContext, given: Mapping[str, Any]) -> Effects[Access]:
    """GetSessionEndpoint; to connect directly, GetSession, too."""
    ids = CLUSTER_SESSION.pick(given)
    found = yield from ec2.get_session_endpoint(ctx, **ids)
    expires_at = found.get("AuthTokenExpirationTime") or datetime.now(timezone.utc) + _UNDATED
    if not given.get("direct"):
        if "AuthToken" not in found:
            raise _no_access("no token of the proxy", ids)
        return Access(_url(found["Endpoint"]), found["AuthToken"], expires_at)
    login = found.get("Credentials", {}).get("UsernamePassword")
    address = (yield from ec2.get_session(ctx, **ids)).get("ServerUrl")
    if not login or not address:
        raise _no_access("no address or no credentials of the Spark Connect server itself", ids)
    basic = b64encode(f"{login['Username']}:{login['Password']}".encode()).decode()
    return Access(_url(address), f"Basic {basic}", expires_at, header="authorization")


def _no_access(what: str, ids: Mapping[str, str]) -> ServiceUnavailable:
    return ServiceUnavailable(
        f"The service gives {what} for {CLUSTER_SESSION.label(ids)} of cluster {ids['cluster_id']}. It is left as it "
        "is; see whether it is ready, and whether the cluster can be reached that way (`direct` in the reference).",
        dict(ids),
    )


def _url(address: str) -> str:
    """The address of a server, which some answers have without a scheme or with one of clients'; TLS unless it says."""
    scheme, separator, rest = address.partition("://")
    return address if scheme in ("http", "https") else f"https://{rest if separator else address}"


_ACCESS: Mapping[str, Callable[[RunContext, Mapping[str, Any]], Effects[Access]]] = {
    SESSION.key: _access_to_session,
    MANAGED_ENDPOINT.key: _access_to_managed_endpoint,
    CLUSTER_SESSION.key: _access_to_cluster_session,
}
