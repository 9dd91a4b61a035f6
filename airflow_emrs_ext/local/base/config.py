"""The settings of the local endpoint's services, changeable while it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass
class ServiceConfig:
    """What the services read at the moment it needs it, so that a change through the admin API takes effect at once.

    :param region: the endpoint's own Region, of what no request asks for
    :param account_id: the one account of the endpoint; the default is also moto's
    :param seconds_per_minute: how many real seconds a minute of the service lasts: ``executionTimeoutMinutes``,
        ``idleTimeoutMinutes``, ``queueTimeoutMinutes``, and 60 of them for the hour of ``maxFailedAttemptsPerHour``;
        also for metrics and updates of utilization, at least a second
    :param application_start_seconds: how long an application stays in each of CREATING, STARTING and STOPPING, a
        virtual cluster in TERMINATING, and a cluster of EMR on EC2 in STARTING, BOOTSTRAPPING and TERMINATING
    :param scheduling_seconds: how long a job run stays in each of SUBMITTED, PENDING and SCHEDULED (on EKS: PENDING and
        SUBMITTED), and a session in SUBMITTED
    :param quota_scale: factor on the service's API quotas; 0 turns them off
    :param account_vcpus: vCPUs that the applications of the account may use at once, times ``quota_scale``
    :param client_token_seconds: how long a client token is remembered; 0: for ever
    :param dashboard_url_seconds: how long the one-use URL of a dashboard is good
    :param session_start_seconds: how long a session stays in STARTING, and a managed endpoint in CREATING, before its
        driver is launched
    :param session_token_seconds: how long a token of GetSessionEndpoint is good, an hour as in AWS; a token of
        GetManagedEndpointSessionCredentials is shortened in the same proportion
    :param session_quiet_seconds: how long a session has had no call in flight when it becomes IDLE; likewise a managed
        endpoint, for its idle timeout
    :param log_refresh_seconds: how often the logs of a running attempt are delivered again
    :param eks_retry_seconds: the pause before the second attempt of an EMR on EKS job run; it doubles each time, up to
        360 seconds
    :param check_responses: compare each response with the API model and answer InternalServerException when it
        differs; meant for the endpoint's own tests
    :param lenient: take and log what AWS refuses by its user guide: features of later releases, releases that this
        package does not know, unknown classifications and the like
    :param endpoint_url: where clients reach the endpoint; set by the endpoint itself
    """

    region: str = "us-east-1"
    account_id: str = "123456789012"
    seconds_per_minute: float = 60.0
    application_start_seconds: float = 0.5
    scheduling_seconds: float = 0.1
    quota_scale: float = 1.0
    account_vcpus: float = 16.0
    client_token_seconds: float = 0.0
    dashboard_url_seconds: float = 3600.0
    session_start_seconds: float = 0.1
    session_token_seconds: float = 3600.0
    session_quiet_seconds: float = 1.0
    log_refresh_seconds: float = 15.0
    eks_retry_seconds: float = 10.0
    check_responses: bool = False
    lenient: bool = False
    endpoint_url: str = ""

    def update(self, changes: Mapping[str, Any]) -> None:
        """Change some settings, all or none.

        :param changes: setting to new value
        :raises ValueError: a setting does not exist, cannot be changed, or its value is unusable; it is named
        """
        accepted = {name: self._accept(name, value) for name, value in changes.items()}
        for name, value in accepted.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """Every setting and its value."""
        return asdict(self)

    def _accept(self, name: str, value: Any) -> Any:
        changeable = {field.name for field in fields(self)} - {"endpoint_url", "account_id", "region"}
        if name not in changeable:
            raise ValueError(f"{name}: no setting that can be changed; there are {', '.join(sorted(changeable))}")
        if isinstance(getattr(self, name), bool):
            if not isinstance(value, bool):
                raise ValueError(f"{name}: must be true or false, not {value!r}")
            return value
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise ValueError(f"{name}: must be a number of at least 0, not {value!r}")
        if name == "seconds_per_minute" and value == 0:
            raise ValueError(f"{name}: must be more than 0")
        return float(value)
