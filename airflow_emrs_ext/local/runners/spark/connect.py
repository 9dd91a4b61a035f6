"""The driver of a session or managed endpoint: a Spark Connect server of its own."""

from __future__ import annotations

import secrets
from dataclasses import replace

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.base.runner import ConnectServer, ConnectSpec
from airflow_emrs_ext.local.runners.spark import driver as drivers
from airflow_emrs_ext.local.runners.spark.driver import Driver, Machine
from airflow_emrs_ext.local.runners.spark.launch import free_port
from airflow_emrs_ext.local.runners.spark.staging import stage
from airflow_emrs_ext.local.runners.spark.submit import configure

_MAIN_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"
_TOKEN_VARIABLE = "SPARK_CONNECT_AUTHENTICATE_TOKEN"


def prepare(machine: Machine, spec: ConnectSpec, target: AwsTarget) -> Driver:
    """Make the driver of a session or managed endpoint.

    :param machine: what all drivers share
    :param spec: what it is for
    :param target: where S3 is
    :raises SubmitError: the configuration cannot be run
    """
    settings = configure(spec, {}, spec.name or spec.host_id, machine.runtime.python)
    port = free_port()
    # Other users of this machine reach the port as well.
    server = ConnectServer(f"127.0.0.1:{port}", secrets.token_urlsafe(32))
    settings.properties["spark.connect.grpc.binding.address"] = "127.0.0.1"
    settings.properties["spark.connect.grpc.binding.port"] = str(port)
    settings.environ[_TOKEN_VARIABLE] = server.token
    driver = drivers.build(machine, spec, [drivers.NO_ENTRY_POINT], settings, main_class=_MAIN_CLASS)
    stage(settings.properties, driver.cwd, target)
    return replace(driver, connect=server)
