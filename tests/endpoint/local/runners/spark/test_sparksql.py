"""What ``sparkSqlParameters`` become."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.runners.spark import sparksql
from airflow_emrs_ext.local.runners.spark.driver import Driver, Machine
from airflow_emrs_ext.local.runners.spark.java import SparkRuntime
from airflow_emrs_ext.local.runners.spark.submit import SubmitError
from tests.endpoint.local.runners.spark.specs import spec


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "report.sql"
    path.write_text("SELECT 1")
    return path


def prepare(tmp_path: Path, parameters: str, entry_point: Path | str | None) -> Driver:
    machine = Machine(
        runtime=SparkRuntime(Path("/java/bin/java"), 17, Path("/spark"), "4.1.4", Path("/python")),
        heap_mb=512,
        archive=None,
        endpoint_url="http://127.0.0.1:4568",
        state_dir=tmp_path,
    )
    job = {"sparkSqlParameters": parameters, **({"entryPoint": str(entry_point)} if entry_point else {})}
    return sparksql.prepare(machine, spec(tmp_path, {"sparkSqlJobDriver": job}), AwsTarget("http://127.0.0.1:9"))


def arguments(driver: Driver) -> list[str]:
    """What follows the main class of Spark's SQL shell."""
    return list(driver.command[driver.command.index("spark-internal") + 1 :])


def test_options_of_the_shell_reach_it_and_those_of_spark_do_not(tmp_path: Path, file: Path) -> None:
    driver = prepare(
        tmp_path, "--conf spark.a=b -d day=1 --hivevar x='y z' --hiveconf=h.i=j --database sales -S --name n", file
    )
    copy = str(tmp_path / "entryPoint.sql")
    assert arguments(driver) == [
        *("-f", copy),
        *("-d", "day=1", "--hivevar", "x=y z", "--hiveconf", "h.i=j", "--database", "sales", "-S"),
    ]
    assert Path(copy).read_text() == "SELECT 1"
    properties = (tmp_path / "spark.properties").read_text().splitlines()
    assert {"spark.a=b", "spark.app.name=n", "spark.sql.catalogImplementation=hive"} <= set(properties)


def test_the_file_may_be_a_local_uri_or_be_missing_for_a_statement(tmp_path: Path, file: Path) -> None:
    assert arguments(prepare(tmp_path, "", f"local://{file}"))[0] == "-f"
    assert arguments(prepare(tmp_path, "-e 'SELECT 1'", None)) == ["-e", "SELECT 1"]


@pytest.mark.parametrize(
    ("parameters", "entry_point", "message"),
    [
        ("", None, "entryPoint: is required, unless sparkSqlParameters have -f or -e"),
        ("--hivevar", "report.sql", "sparkSqlParameters: --hivevar needs a value"),
        ("--nonsense", "report.sql", "sparkSqlParameters: unknown option --nonsense$"),
        ("stray", "report.sql", "sparkSqlParameters: unexpected argument stray$"),
        ("--packages a:b:1", "report.sql", "--packages a:b:1: no Maven repository is named"),
        ("", "none.sql", "entryPoint .*none.sql does not exist"),
    ],
)
def test_what_cannot_be_run_is_named(
    tmp_path: Path, file: Path, parameters: str, entry_point: str | None, message: str
) -> None:
    with pytest.raises(SubmitError, match=message):
        prepare(tmp_path, parameters, entry_point and file.with_name(entry_point))
