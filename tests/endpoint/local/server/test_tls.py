"""The endpoint speaks TLS with a certificate that clients can be told to trust."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.exceptions
import grpc
import pytest

from airflow_emrs_ext.local.runners.spark.launch import free_port
from airflow_emrs_ext.local.testing import LocalEmr, local_emr
from tests.polling import eventually

ROLE = "arn:aws:iam::123456789012:role/job"
KEYS = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def emr(directory: Path, port: int) -> Iterator[LocalEmr]:
    options: dict[str, Any] = {"application_start_seconds": 0.05, "scheduling_seconds": 0.02}
    with local_emr(state_dir=directory, tls_port=port, allowed_hosts=["emr.test"], **options) as emr:
        yield emr


def client(port: int, service: str, verify: str | bool, host: str = "localhost") -> Any:
    return boto3.client(service, endpoint_url=f"https://{host}:{port}", verify=verify, **KEYS)  # type: ignore[call-overload]


def test_a_client_that_trusts_the_authority(emr: LocalEmr, port: int, directory: Path) -> None:
    authority = str(directory / "tls" / "ca.pem")
    client(port, "s3", authority, "127.0.0.1").create_bucket(Bucket="data")
    application_id = client(port, "emr-serverless", authority).create_application(
        type="SPARK", releaseLabel="emr-7.13.0", clientToken="a"
    )["applicationId"]
    assert [one["applicationId"] for one in emr.applications()] == [application_id], "both ports are one endpoint"


def test_a_client_that_does_not(emr: LocalEmr, port: int) -> None:
    with pytest.raises(botocore.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        client(port, "s3", True).list_buckets()


def test_the_certificate_has_the_names_under_which_it_answers(emr: LocalEmr, port: int, directory: Path) -> None:
    context = ssl.create_default_context(cafile=str(directory / "tls" / "ca.pem"))

    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="emr.test") as secure,
    ):
        certificate = secure.getpeercert()
    assert certificate is not None
    assert ("DNS", "emr.test") in certificate["subjectAltName"]
    assert ("DNS", "*.emr.test") in certificate["subjectAltName"]
    assert ("IP Address", "127.0.0.1") in certificate["subjectAltName"]
    assert (directory / "tls" / "ca.key").stat().st_mode & 0o077 == 0
    assert (directory / "tls" / "server.key").stat().st_mode & 0o077 == 0


def session_endpoint(emr: LocalEmr) -> dict[str, Any]:
    service = emr.client("emr-serverless")
    application_id = service.create_application(
        type="SPARK",
        releaseLabel="emr-7.13.0",
        clientToken="sessions",
        interactiveConfiguration={"sessionEnabled": True},
    )["applicationId"]
    ids = {"applicationId": application_id}
    ids["sessionId"] = service.start_session(**ids, clientToken="s", executionRoleArn=ROLE)["sessionId"]
    eventually(lambda: service.get_session(**ids)["session"]["state"] in ("STARTED", "IDLE"))
    return dict(service.get_session_endpoint(**ids))


def assert_it_answers(address: str, token: str, authority: Path) -> None:
    credentials = grpc.ssl_channel_credentials(authority.read_bytes())
    with grpc.secure_channel(address, credentials) as channel:
        call = channel.unary_unary("/spark.connect.SparkConnectService/Config")
        with pytest.raises(grpc.RpcError) as refused:
            call(b"", metadata=[("x-aws-proxy-auth", token)], timeout=20)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "no Spark is behind it" in refused.value.details()


def test_sessions_speak_it_too(emr: LocalEmr, directory: Path) -> None:
    answer = session_endpoint(emr)
    url = urlsplit(answer["endpoint"])
    assert (url.scheme, url.hostname) == ("https", "localhost")
    assert_it_answers(url.netloc, answer["authToken"], directory / "tls" / "ca.pem")


def need_port_443() -> None:
    """Skip the test where that port cannot be used."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 443))
        except OSError as error:
            pytest.skip(f"port 443 cannot be used here: {error}")


# The other test that takes this port is one of real Spark.
@pytest.mark.xdist_group("spark")
def test_at_port_443_the_endpoint_is_a_host_as_on_aws(tmp_path: Path) -> None:
    need_port_443()
    options: dict[str, Any] = {"application_start_seconds": 0.05, "scheduling_seconds": 0.02}
    with local_emr(state_dir=tmp_path, tls_port=free_port(), sessions_port=443, **options) as emr:
        answer = session_endpoint(emr)
        assert answer["endpoint"] == "https://localhost"
        assert_it_answers("localhost:443", answer["authToken"], tmp_path / "tls" / "ca.pem")


def test_the_next_endpoint_has_the_same_authority(directory: Path, tmp_path: Path) -> None:
    before = None
    for _ in range(2):
        with local_emr(state_dir=tmp_path, tls_port=free_port()):
            authority = (tmp_path / "tls" / "ca.pem").read_bytes()
            assert before in (None, authority)
            before = authority
