"""How a client of Spark Connect gets into what serves it: each service hands out tokens in its own way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_emrs_ext.aws import containers, serverless
from airflow_emrs_ext.core.effects import Effects, RunContext
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.resources import MANAGED_ENDPOINT, SESSION, EndableKind
from airflow_emrs_ext.shared.states import State


@dataclass(frozen=True)
class Access:
    """An address, and what shows at it that a client may use it.

    :param endpoint: URL
    :param token: a secret: whoever has it runs code with the role of the session or endpoint
    :param expires_at: when the token ends
    """

    endpoint: str
    token: str = field(repr=False)
    expires_at: datetime


def spark_connect_kind(given: Mapping[str, Any]) -> EndableKind[State]:
    """The kind of a session or of a managed endpoint, by its ids.

    :param given: a reference to it, e.g. the result of the operator that started it
    :raises ConfigurationError: it is none of them
    """
    for kind in (SESSION, MANAGED_ENDPOINT):
        if all(isinstance(given.get(name), str) for name in kind.id_names):
            return kind
    raise ConfigurationError(
        f"{dict(given)!r} is neither a session (`application_id`, `session_id`) nor a managed endpoint of EMR on EKS "
        "(`virtual_cluster_id`, `endpoint_id`)."
    )


def access_to(ctx: RunContext, given: Mapping[str, Any]) -> Effects[Access]:
    """A new token, and where it is good.

    :param given: reference to a session, or to a managed endpoint; ``execution_role_arn`` of the latter is the role
        that its credentials are asked for, by default its own
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
    address = endpoint["authProxyUrl"]
    return Access(
        address if "://" in address else f"https://{address}",
        credentials["credentials"]["token"],
        credentials["expiresAt"],
    )


_ACCESS: Mapping[str, Callable[[RunContext, Mapping[str, Any]], Effects[Access]]] = {
    SESSION.key: _access_to_session,
    MANAGED_ENDPOINT.key: _access_to_managed_endpoint,
}
