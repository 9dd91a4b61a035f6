"""The parameters of a Hive job run."""

from __future__ import annotations

import pytest

from airflow_emrs_ext.local.runners.spark.hive import parse_parameters
from airflow_emrs_ext.local.runners.spark.submit import SubmitError


def test_parameters_are_read_as_a_shell_would() -> None:
    arguments, settings = parse_parameters("--hiveconf a.b='c d' --hivevar day=2024-01-31 -d x=y=z")

    assert arguments == ["--hiveconf", "a.b=c d", "--hivevar", "day=2024-01-31", "--hivevar", "x=y=z"]
    assert settings == {"a.b": "c d"}


def test_a_password_does_not_reach_the_command_line() -> None:
    arguments, settings = parse_parameters("--hiveconf javax.jdo.option.ConnectionPassword=geheim")

    assert arguments == []
    assert settings == {"javax.jdo.option.ConnectionPassword": "geheim"}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("--hiveconf 'a=b", "No closing quotation"),
        ("-e 'select 1'", "unknown option -e"),
        ("--hiveconf a", "--hiveconf needs name=value, not 'a'"),
        ("--hivevar", "--hivevar needs name=value"),
    ],
)
def test_bad_parameters_are_named(parameters: str, message: str) -> None:
    with pytest.raises(SubmitError, match=f"parameters: .*{message}|parameters: {message}"):
        parse_parameters(parameters)


def test_one_dash_is_as_good() -> None:
    arguments, settings = parse_parameters("-hiveconf a.b=c -hivevar day=1")
    assert arguments == ["--hiveconf", "a.b=c", "--hivevar", "day=1"]
    assert settings == {"a.b": "c"}
