"""Files beside the DAG file: put on S3 under a name that their content gives, once."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext._compat import AIRFLOW_3
from airflow_emrs_ext.exceptions import ConfigurationError, EmrError
from airflow_emrs_ext.job_spec import eks_spark_sql, hive_query, spark_submit
from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from tests.running import TaskInstance, context_of, execute

if AIRFLOW_3:
    from airflow.sdk import DAG
else:
    from airflow import DAG

pytestmark = pytest.mark.airflow

ROLE = "arn:aws:iam::123456789012:role/job"
Submit = Callable[..., Mapping[str, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of DAGs, with files beside them."""
    jobs = tmp_path / "jobs"
    (jobs / "lib" / "__pycache__").mkdir(parents=True)
    (jobs / "etl.py").write_text("print('etl')")
    (jobs / "query.sql").write_text("SELECT 1")
    (jobs / "data.csv").write_text("a,b")
    (jobs / "lib" / "__init__.py").write_text("")
    (jobs / "lib" / "words.py").write_text("WORD = 'a'")
    (jobs / "lib" / "__pycache__" / "words.pyc").write_bytes(b"compiled")
    return tmp_path


@pytest.fixture
def submit(emr: LocalEmr, folder: Path) -> Submit:
    """Submits a job run of a DAG in that folder; returns its driver as the service has it."""
    emr.client("s3").create_bucket(Bucket="files")
    emr.client("s3").put_bucket_versioning(Bucket="files", VersioningConfiguration={"Status": "Enabled"})

    def submit(
        driver: Any, artifacts: str | None = "s3://files/artifacts/", type: str = "SPARK", task_id: str = "a_task"
    ) -> Mapping[str, Any]:
        place: dict[str, Any]
        if type == "EKS":
            provider = {"type": "EKS", "id": "c", "info": {"eksInfo": {"namespace": task_id}}}
            made = emr.client("emr-containers").create_virtual_cluster(name="c", containerProvider=provider)
            place = {"virtual_cluster_id": made["id"], "release_label": "emr-7.9.0-latest"}
            operator_class: Any = EmrContainersStartJobRunOperator
        else:
            created = emr.client("emr-serverless").create_application(releaseLabel="emr-7.9.0", type=type)
            place, operator_class = {"application_id": created["applicationId"]}, EmrServerlessStartJobRunOperator
        with DAG("a_dag", schedule=None, start_date=datetime(2026, 5, 1)) as dag:
            operator = operator_class(
                task_id=task_id,
                execution_role_arn=ROLE,
                job_driver=driver,
                artifacts=artifacts,
                wait_for="submission",
                **place,
            )
        dag.fileloc = str(folder / "dag.py")
        execute(operator, context_of(TaskInstance()))
        (job_run,) = [
            one
            for one in (emr.eks_job_runs() if type == "EKS" else emr.job_runs())
            if one.get("applicationId", one.get("virtualClusterId")) == next(iter(place.values()))
        ]
        (driver_of_service,) = job_run["jobDriver"].values()
        return dict(driver_of_service)

    return submit


def keys(emr: LocalEmr) -> list[str]:
    return sorted(one["Key"] for one in emr.client("s3").list_objects_v2(Bucket="files").get("Contents", []))


def versions(emr: LocalEmr) -> list[str]:
    """Each time that something has been put there."""
    return [one["Key"] for one in emr.client("s3").list_object_versions(Bucket="files")["Versions"]]


def content(emr: LocalEmr, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    found: bytes = emr.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return found


def test_each_file_is_uploaded_once(emr: LocalEmr, submit: Submit, folder: Path) -> None:
    driver = spark_submit(
        "jobs/etl.py",
        ["jobs/etl.py"],
        py_files=["jobs/lib", "s3://other/x.zip"],
        files="jobs/data.csv#table.csv,/in/the/image",
        conf={"spark.a": "jobs/etl.py"},
    )
    first = submit(driver)
    assert first["entryPoint"].startswith("s3://files/artifacts/")
    assert first["entryPoint"].endswith("/etl.py")
    assert content(emr, first["entryPoint"]) == b"print('etl')"
    # What is an argument or a property is the job's own business.
    assert first["entryPointArguments"] == ["jobs/etl.py"]
    assert "--conf spark.a=jobs/etl.py" in first["sparkSubmitParameters"]
    words = first["sparkSubmitParameters"].split()
    modules, other = words[words.index("--py-files") + 1].split(",")
    assert other == "s3://other/x.zip"
    with zipfile.ZipFile(io.BytesIO(content(emr, modules))) as archive:
        assert archive.namelist() == ["lib/__init__.py", "lib/words.py"]
    table, in_image = words[words.index("--files") + 1].strip("'").split(",")
    assert table.endswith("/data.csv#table.csv")
    assert in_image == "/in/the/image"
    there = keys(emr)
    assert len(there) == 3

    (folder / "jobs" / "lib" / "__pycache__" / "other.pyc").write_bytes(b"compiled")
    assert submit(driver, task_id="another")["entryPoint"] == first["entryPoint"]
    assert keys(emr) == there
    assert len(versions(emr)) == len(there)

    (folder / "jobs" / "etl.py").write_text("print('new')")
    changed = submit(driver, task_id="a_third")
    assert changed["entryPoint"] != first["entryPoint"]
    # What an older one has put there stays.
    assert len(keys(emr)) == 4
    assert content(emr, first["entryPoint"]) == b"print('etl')"


def test_queries(emr: LocalEmr, submit: Submit) -> None:
    found = submit(
        hive_query("jobs/query.sql", scratch_dir="s3://b/s", warehouse_dir="s3://b/w"),
        artifacts="s3://files",
        type="HIVE",
    )
    assert content(emr, found["query"]) == b"SELECT 1"
    found = submit(eks_spark_sql("jobs/query.sql"), type="EKS", task_id="sql")
    assert content(emr, found["entryPoint"]) == b"SELECT 1"


@pytest.mark.parametrize("artifacts", [None, "s3://files/artifacts"])
def test_the_text_of_a_query_is_left(submit: Submit, artifacts: str | None) -> None:
    """Also one that is longer than any name of a file."""
    text = f"SELECT {', '.join(f'column_{number}' for number in range(300))} FROM t"
    assert submit({"hive": {"query": text}}, artifacts, type="HIVE")["query"] == text
    assert submit({"hive": {"query": "SELECT 1/0"}}, artifacts, type="HIVE", task_id="b")["query"] == "SELECT 1/0"


def test_what_can_be_no_name_of_a_file(submit: Submit) -> None:
    # One more than a name may have, and as many as an entry point may have in the oldest model.
    long = "x" * 256
    assert submit({"sparkSubmit": {"entryPoint": long}}, None)["entryPoint"] == long
    with pytest.raises(ConfigurationError, match="is no file"):
        submit({"sparkSubmit": {"entryPoint": long}}, task_id="b")


def test_a_driver_that_a_template_renders(emr: LocalEmr, submit: Submit) -> None:
    found = submit("""{"sparkSubmit": {"entryPoint": "jobs/etl.py"}}""")
    assert content(emr, found["entryPoint"]) == b"print('etl')"


def test_a_path_in_the_image_is_left(submit: Submit) -> None:
    assert submit(spark_submit("in_the_image.py"), artifacts=None)["entryPoint"] == "in_the_image.py"
    assert submit(spark_submit("/usr/lib/a.py"), task_id="b")["entryPoint"] == "/usr/lib/a.py"


@pytest.mark.parametrize(
    ("driver", "artifacts", "said"),
    [
        (spark_submit("jobs/etl.py"), None, "`job_driver.sparkSubmit.entryPoint` is 'jobs/etl.py', a file beside"),
        (spark_submit("jobs/elt.py"), "s3://files/a", "jobs/elt.py is no file. It takes an S3 URI"),
        (spark_submit("jobs"), "s3://files/a", "jobs is a folder. It takes an S3 URI"),
        (spark_submit("s3://b/j.py", files=["jobs/lib"]), "s3://files/a", "--files` is 'jobs/lib': .* is a folder"),
        (spark_submit("jobs/etl.py"), "files/artifacts", "`artifacts` is 'files/artifacts'; it takes the S3 URI"),
    ],
)
def test_what_is_refused(emr: LocalEmr, submit: Submit, driver: Any, artifacts: str | None, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        submit(driver, artifacts)
    assert emr.job_runs() == []
    assert keys(emr) == []


def test_a_bucket_that_is_not_there(emr: LocalEmr, submit: Submit) -> None:
    with pytest.raises(EmrError, match=r"bucket no-such-bucket\) was refused: NoSuchBucket.* in `artifacts`"):
        submit(spark_submit("jobs/etl.py"), "s3://no-such-bucket/a")
    assert emr.job_runs() == []
