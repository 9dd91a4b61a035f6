"""Makes the class data sharing archive that lets every later driver start faster; run it once, or never.

``python -m airflow_emrs_ext.local.runners.spark.warm_up`` takes about 30 seconds and 220 MB in the user's cache
directory, and saves about 2 seconds of each driver, and more of the first statement in a session.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from airflow_emrs_ext.local.runners.spark.java import MissingRuntime, SparkRuntime, find_runtime
from airflow_emrs_ext.local.runners.spark.launch import free_port, heap_mb, java_command, runtime_key
from airflow_emrs_ext.local.runners.spark.uis import SparkUis

_TRAINING_SECONDS = 180

# What most sessions touch beyond that: statements and rows through Spark Connect.
_CONNECT_TRAINING = """
import sys
from pyspark.sql.connect.session import SparkSession
spark = SparkSession.builder.remote(sys.argv[1]).create()
spark.sql("select 1 as one").collect()
spark.range(1000).createOrReplaceTempView("r")
spark.sql("select id % 7 as k, count(*) as n from r where id > :least group by 1", args={"least": 3}).toPandas()
spark.read.parquet("numbers").groupBy("k").count().orderBy("k").collect()
spark.stop()
"""

# What most jobs touch: a DataFrame over files, a shuffle, SQL, Parquet, an RDD of Python objects.
_TRAINING = """
import subprocess, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
frame = spark.range(100).selectExpr("id", "id % 7 as k", "cast(id as string) as s")
frame.write.mode("overwrite").parquet("numbers")
frame.write.mode("overwrite").json("numbers-json")
spark.read.parquet("numbers").groupBy("k").count().orderBy("k").collect()
spark.read.json("numbers-json").createOrReplaceTempView("n")
spark.sql("select k, count(*) from n group by k having count(*) > 1").collect()
spark.sparkContext.parallelize(range(10), 2).map(lambda x: (x % 2, x)).reduceByKey(lambda a, b: a + b).collect()
remote = "sc://127.0.0.1:" + spark.conf.get("spark.connect.grpc.binding.port", "")
if len(sys.argv) > 1:
    subprocess.run([sys.executable, sys.argv[1], remote], check=True)
spark.stop()
"""


def cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Where archives are kept: ``$XDG_CACHE_HOME/airflow-emrs-ext`` or ``~/.cache/airflow-emrs-ext``."""
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airflow-emrs-ext"


def find_archive(runtime: SparkRuntime, directory: Path | None = None) -> str | None:
    """The archives that a warm-up made for exactly this runtime, as the virtual machine wants them; ``None``: none.

    :param runtime: the runtime that is to use it
    :param directory: where to look; default :func:`cache_dir`
    """
    base, top = _archives(runtime, directory or cache_dir())
    return f"{base}{os.pathsep}{top}" if base.exists() and top.exists() else None


def warm_up(runtime: SparkRuntime, directory: Path | None = None) -> str:
    """Make the archive unless it is there, and return it as :func:`find_archive` does.

    :param runtime: the runtime to make it for
    :param directory: where to keep it; default :func:`cache_dir`
    :raises MissingRuntime: Spark does not run; the message has the end of its log
    """
    directory = directory or cache_dir()
    found = find_archive(runtime, directory)
    if found:
        return found
    directory.mkdir(parents=True, exist_ok=True)
    base, top = _archives(runtime, directory)
    with tempfile.TemporaryDirectory(dir=directory, prefix="warm-up-") as scratch:
        work = Path(scratch)
        # A reduced runtime comes without the base archive that the one for Spark builds on, and names by its path.
        dump = [str(runtime.java), "-XX:+UseSerialGC", "-Xshare:dump", f"-XX:SharedArchiveFile={work / 'base.jsa'}"]
        _run(dump, work, runtime.python)
        (work / "base.jsa").replace(base)
        (work / "training.py").write_text(_TRAINING)
        (work / "connect_training.py").write_text(_CONNECT_TRAINING)
        properties = {
            "spark.ui.port": "0",
            **SparkUis("").properties(runtime.line),
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": work.as_uri(),
        }
        if runtime.serves_connect:
            properties |= {
                "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
                "spark.connect.grpc.binding.address": "127.0.0.1",
                "spark.connect.grpc.binding.port": str(free_port()),
            }
        arguments = ["--master", "local[2]"]
        for name, value in properties.items():
            arguments += ["--conf", f"{name}={value}"]
        command = java_command(
            runtime,
            "org.apache.spark.deploy.SparkSubmit",
            [*arguments, str(work / "training.py"), *(["connect_training.py"] if runtime.serves_connect else [])],
            heap_mb=heap_mb(),
            archive=str(base),
            java_options=[f"-XX:ArchiveClassesAtExit={work / 'top.jsa'}"],
        )
        _run(command, work, runtime.python)
        (work / "top.jsa").replace(top)
    return f"{base}{os.pathsep}{top}"


def _archives(runtime: SparkRuntime, directory: Path) -> tuple[Path, Path]:
    # An archive of an earlier training lacks what a later one adds.
    training = hashlib.sha256((_TRAINING + _CONNECT_TRAINING).encode()).hexdigest()[:8]
    key = f"{runtime_key(runtime)}-{training}"
    return directory / f"java-{key}.jsa", directory / f"spark-{key}.jsa"


def _run(command: list[str], cwd: Path, python: Path) -> None:
    environ = {**os.environ, "PYSPARK_PYTHON": str(python), "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(
        command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=_TRAINING_SECONDS, check=False
    )
    if done.returncode != 0:
        raise MissingRuntime(f"Spark does not run here, status {done.returncode}: {done.stderr[-2000:]}")


def main() -> int:
    """The command line."""
    try:
        archive = warm_up(find_runtime())
    except MissingRuntime as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{archive}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
