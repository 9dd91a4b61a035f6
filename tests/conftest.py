"""What all tests share: the local endpoint, and an environment without anything of the person who runs them."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, local_emr

HERE = Path(__file__).parent
REAL = ("answers", "faults", "system")
_BESIDE_OTHERS = 1200
"""Seconds after which one of these counts as hanging: beside each other they take several times as long as alone."""

# What they hold in common says what it has found, as a test does.
pytest.register_assert_rewrite(
    *(f"tests.{name}" for name in ("browsing", "faults", "interpreters", "running", "simulation", "two_airflows"))
)

pytest_plugins = ["airflow_emrs_ext.local.pytest_plugin"]


def pytest_configure(config: pytest.Config) -> None:
    """Before anything is imported that would read it: no AWS settings, and an Airflow home of the run's own."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "AIRFLOW_"))]:
        del os.environ[name]
    # With `nohup` the tests go on when the terminal is closed; what they start takes the signal as it does without.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)
    home = tempfile.TemporaryDirectory(prefix="emrs-test-", ignore_cleanup_errors=True)
    config.add_cleanup(home.cleanup)
    os.environ.update(
        {
            "AIRFLOW_HOME": home.name,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__EMRS_EXT__DEPLOYMENT": "tests",
            # Endpoints without quotas, asked by many tests in one process.
            "AIRFLOW__EMRS_EXT__QUOTAS": '{"emr-serverless": null, "emr-containers": null}',
            # The endpoint delivers the last of a log before it says that a run has ended: no other upload is to come.
            "AIRFLOW__EMRS_EXT__DRIVER_LOG_INTERVAL": "1",
            # Credentials, Region and endpoint come from the variables that the fixture sets.
            "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let two processes run all with a real Spark, and another one all with a real Airflow, each one after the other.

    More of a kind would wait for the same processors. A further process runs the demo, whose group its modules name.
    What is in no group waits for clocks most of the time, and is taken by whichever process has time.
    """
    if not config.pluginmanager.has_plugin("xdist"):
        return
    for item in items:
        if item.path.relative_to(HERE).parts[0] not in REAL:
            continue
        limit = item.get_closest_marker("timeout")
        if limit is None or limit.args[0] < _BESIDE_OTHERS:
            item.add_marker(pytest.mark.timeout(_BESIDE_OTHERS), append=False)
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    if not item.get_closest_marker("spark"):
        return "airflow"
    # Half of the time is that of modules which are about Spark itself.
    return "spark" if "spark" in item.path.stem else "on-spark"


@pytest.fixture(scope="session")
def emr_endpoint() -> Iterator[LocalEmr]:
    """The simulated endpoint of the whole session; it holds each of its responses against the API model."""
    with local_emr(
        check_responses=True, application_start_seconds=0.05, scheduling_seconds=0.02, eks_retry_seconds=0.05
    ) as endpoint:
        yield endpoint


@pytest.fixture
def grpc_call() -> Callable[[str, str | None], tuple[str, str]]:
    """Calls Spark Connect at a URL, with a token; gives the status code and the message of the error."""
    grpc = pytest.importorskip("grpc")

    def call(url: str, token: str | None) -> tuple[str, str]:
        metadata = () if token is None else (("x-aws-proxy-auth", token),)
        method = "/spark.connect.SparkConnectService/Config"
        with grpc.insecure_channel(url.removeprefix("http://")) as channel, pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(method)(b"", metadata=metadata, timeout=10)
        return caught.value.code().name, caught.value.details()

    return call
