"""Where jobs and the endpoint itself find AWS."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from airflow_emrs_ext.local.base.aws import AwsTarget

SHELL = {"PATH": "/bin", "AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "geheim", "AWS_PROFILE": "p"}


def test_a_job_sees_nothing_of_the_aws_account_of_whoever_started_the_endpoint() -> None:
    environ = AwsTarget("http://127.0.0.1:4568", "eu-west-1").environ(SHELL)

    assert environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4568"
    assert environ["AWS_REGION"] == environ["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert environ["AWS_ACCESS_KEY_ID"] == environ["AWS_SECRET_ACCESS_KEY"] == "test"
    assert environ["PATH"] == "/bin"
    assert "AWS_PROFILE" not in environ
    assert "AWS_ENDPOINT_URL_S3" not in environ


def test_with_another_s3_it_has_the_credentials_for_it() -> None:
    environ = AwsTarget("http://127.0.0.1:4568", s3_endpoint="http://s3.example:9000").environ(SHELL)

    assert environ["AWS_ENDPOINT_URL_S3"] == "http://s3.example:9000"
    assert environ["AWS_SECRET_ACCESS_KEY"] == "geheim"
    assert environ["AWS_PROFILE"] == "p"


def test_no_proxy_comes_between_a_job_and_the_endpoint() -> None:
    environ = AwsTarget("http://127.0.0.1:4568").environ({"HTTPS_PROXY": "http://p", "no_proxy": "example.org"})

    assert environ["no_proxy"] == "example.org,127.0.0.1,localhost,::1"
    assert environ["NO_PROXY"] == "127.0.0.1,localhost,::1"


def test_clients_go_where_they_should() -> None:
    local = AwsTarget("http://127.0.0.1:4568")
    elsewhere = AwsTarget("http://127.0.0.1:4568", s3_endpoint="http://127.0.0.1:9000")

    assert local.client("s3").meta.endpoint_url == "http://127.0.0.1:4568"
    assert elsewhere.client("s3").meta.endpoint_url == "http://127.0.0.1:9000"
    assert elsewhere.client("logs").meta.endpoint_url == "http://127.0.0.1:4568"
    assert local.client("s3") is local.client("s3")


def test_threads_that_share_a_client_share_its_exceptions() -> None:
    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(30):
            target, together = AwsTarget("http://127.0.0.1:4568"), Barrier(8)

            def exception(target: AwsTarget = target, together: Barrier = together) -> type[Exception]:
                client = target.client("logs")
                together.wait()
                return type(client.exceptions)

            with ThreadPoolExecutor(8) as pool:
                assert len(set(pool.map(lambda _, of=exception: of(), range(8)))) == 1
    finally:
        sys.setswitchinterval(often)
