"""Where the endpoint's own AWS clients, and those inside a job, find their services."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# moto accepts any credentials; these are also what the test API hands to clients.
_LOCAL_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def _plain_uploads(config_class: Any) -> dict[str, Any]:
    """Options against checksums in trailers, which many S3 endpoints do not know; older botocore has neither."""
    options = ("request_checksum_calculation", "response_checksum_validation")
    return {option: "when_required" for option in options if option in config_class.OPTION_DEFAULTS}


@dataclass
class AwsTarget:
    """The AWS that jobs, their data and their logs live in: the endpoint itself, with S3 elsewhere when asked.

    :param endpoint_url: the local endpoint, e.g. ``http://127.0.0.1:4568``
    :param region: the Region that clients are bound to
    :param s3_endpoint: another S3 endpoint; it is used with the credentials in the environment of the endpoint
    """

    endpoint_url: str
    region: str = "us-east-1"
    s3_endpoint: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    _others: dict[str, AwsTarget] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def client(self, service: str) -> Any:
        """The boto3 client of ``service``, made at first use and shared between threads.

        :param service: its name in boto3, e.g. ``s3`` or ``logs``
        """
        with self._lock:
            if service not in self._clients:
                client = self._clients[service] = self._make(service)
                # Threads that both are the first to ask for them get different classes, of which one is never raised.
                _ = client.exceptions
            return self._clients[service]

    def in_region(self, region: str) -> AwsTarget:
        """The same with clients of another Region.

        :param region: the Region
        """
        if region == self.region:
            return self
        with self._lock:
            if region not in self._others:
                self._others[region] = AwsTarget(self.endpoint_url, region, self.s3_endpoint)
            return self._others[region]

    def environ(self, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Environment variables for a job's driver, so that every AWS client in the job finds the same services.

        :param inherited: the environment to start from; its AWS variables stay only with a separate S3 endpoint
        """
        keep_credentials = self._has_own_credentials(inherited)
        variables = {
            name: value for name, value in inherited.items() if keep_credentials or not name.startswith("AWS_")
        }
        if not keep_credentials:
            variables |= _LOCAL_CREDENTIALS
        variables |= {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            # Without it a client whose credentials are refused asks a metadata service that is not there.
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        for name in ("NO_PROXY", "no_proxy"):
            # A proxy has no business between a job and the endpoint.
            variables[name] = ",".join(filter(None, (inherited.get(name), "127.0.0.1", "localhost", "::1")))
        if self.s3_endpoint:
            variables["AWS_ENDPOINT_URL_S3"] = self.s3_endpoint
        return variables

    def _has_own_credentials(self, environ: Mapping[str, str]) -> bool:
        return bool(self.s3_endpoint) and any(
            name in environ for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE")
        )

    def _make(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        is_remote = service == "s3" and bool(self.s3_endpoint)
        credentials: dict[str, str] = {}
        if not (is_remote and self._has_own_credentials(os.environ)):
            credentials = {
                "aws_access_key_id": _LOCAL_CREDENTIALS["AWS_ACCESS_KEY_ID"],
                "aws_secret_access_key": _LOCAL_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            }
        session: Any = boto3.session.Session()
        return session.client(
            service,
            region_name=self.region,
            endpoint_url=self.s3_endpoint if is_remote else self.endpoint_url,
            config=Config(
                max_pool_connections=64,
                # A bucket's name is no host name on loopback.
                s3={"addressing_style": "path"},
                # A proxy configured in the environment has no business between the endpoint and itself.
                proxies=None if is_remote else {},
                retries={"mode": "standard", "max_attempts": 3},
                **_plain_uploads(Config),
            ),
            **credentials,
        )
