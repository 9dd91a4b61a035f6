"""Makes the class data sharing archive that lets every later driver start faster; run it once, or never.

``python -m airflow_emrs_ext.local.spark.warm_up`` takes about 20 seconds and 190 MB in the user's cache directory, and
saves about 2 seconds of each driver.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from airflow_emrs_ext.local.spark.java import MissingRuntime, SparkRuntime, find_runtime
from airflow_emrs_ext.local.spark.launch import heap_mb, java_command, runtime_key

_TRAINING_SECONDS = 180

# What most jobs touch: a DataFrame over files, a shuffle, SQL, Parquet, an RDD of Python objects.
_TRAINING = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
frame = spark.range(100).selectExpr("id", "id % 7 as k", "cast(id as string) as s")
frame.write.mode("overwrite").parquet("numbers")
frame.write.mode("overwrite").json("numbers-json")
spark.read.parquet("numbers").groupBy("k").count().orderBy("k").collect()
spark.read.json("numbers-json").createOrReplaceTempView("n")
spark.sql("select k, count(*) from n group by k having count(*) > 1").collect()
spark.sparkContext.parallelize(range(10), 2).map(lambda x: (x % 2, x)).reduceByKey(lambda a, b: a + b).collect()
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
        _run(
            [str(runtime.java), "-XX:+UseSerialGC", "-Xshare:dump", f"-XX:SharedArchiveFile={work / 'base.jsa'}"], work
        )
        (work / "base.jsa").replace(base)
        (work / "training.py").write_text(_TRAINING)
        arguments = ["--master", "local[2]", "--conf", "spark.ui.port=0"]
        arguments += ["--conf", "spark.eventLog.enabled=true", "--conf", f"spark.eventLog.dir={work.as_uri()}"]
        command = java_command(
            runtime,
            "org.apache.spark.deploy.SparkSubmit",
            [*arguments, str(work / "training.py")],
            heap_mb=heap_mb(),
            archive=str(base),
            java_options=[f"-XX:ArchiveClassesAtExit={work / 'top.jsa'}"],
        )
        _run(command, work)
        (work / "top.jsa").replace(top)
    return f"{base}{os.pathsep}{top}"


def _archives(runtime: SparkRuntime, directory: Path) -> tuple[Path, Path]:
    key = runtime_key(runtime)
    return directory / f"java-{key}.jsa", directory / f"spark-{key}.jsa"


def _run(command: list[str], cwd: Path) -> None:
    environ = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
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
