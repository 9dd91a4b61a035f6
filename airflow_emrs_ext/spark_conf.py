"""Fragments of Spark properties, each for one purpose, in the words of EMR Serverless.

They are for ``conf`` of :func:`~airflow_emrs_ext.job_spec.spark_submit`, ``spark_defaults`` of
:func:`~airflow_emrs_ext.job_spec.configuration_overrides` and
:func:`~airflow_emrs_ext.application_spec.runtime_configuration`, several in a list, beside properties of your own::

    conf=[iceberg("lake", warehouse="s3://bucket/lake"), java_home(17), {"spark.sql.shuffle.partitions": 8}]

Jars, packages, archives and Spark's extensions of several fragments are put together; where two differ about anything
else, that is an error when the DAG file is parsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from airflow_emrs_ext.application_spec import Cpu, DiskType
from airflow_emrs_ext.core.specs import Flag, Properties, Text, Texts, flag, optional, properties, several, single
from airflow_emrs_ext.core.values import as_text, as_whole_number, is_rendered_later, pairs_of, wrong
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.shared.worker_sizes import (
    FREE_DISK_GB,
    LEAST_OVERHEAD_MB,
    MOST_DISK_GB,
    OVERHEAD_FACTOR,
    SUPPORTED,
    size_mb,
)

Fragment: TypeAlias = dict[str, Any]
"""Spark properties by name."""

_GLUE_METASTORE = "com.amazonaws.glue.catalog.metastore.AWSGlueDataCatalogHiveClientFactory"
_ICEBERG_JAR = "/usr/share/aws/iceberg/lib/iceberg-spark3-runtime.jar"
_HUDI_JAR = "/usr/lib/hudi/hudi-spark-bundle.jar"
_DELTA_FOLDER = "/usr/share/aws/delta/lib"


def driver(
    *,
    cores: Cpu | str = 4,
    memory: Text = "14g",
    memory_overhead: Text | None = None,
    disk: Text | None = None,
    disk_type: DiskType | None = None,
) -> Fragment:
    """The size of a Spark driver, if a worker on offer holds it.

    :param cores: vCPUs, or a template: 1, 2, 4 (default), 8 or 16
    :param memory: its heap, e.g. ``14g`` (default)
    :param memory_overhead: what it needs beside; default: a tenth of it, and at least 384 MB
    :param disk: e.g. ``100g``, from 20 to 200 GB, or to 2,000 if it is shuffle-optimized; default 20
    :param disk_type: ``STANDARD`` (default) or ``SHUFFLE_OPTIMIZED``
    :raises ConfigurationError: the service offers no such worker
    """
    return _worker("driver", cores, memory, memory_overhead, disk, disk_type)


def executors(
    number: Text | None = None,
    *,
    cores: Cpu | str = 4,
    memory: Text = "14g",
    memory_overhead: Text | None = None,
    disk: Text | None = None,
    disk_type: DiskType | None = None,
    at_least: Text | None = None,
    at_most: Text | None = None,
) -> Fragment:
    """The size of Spark's executors, if a worker on offer holds it, and how many there are.

    :param number: how many there are at first, or a template; default 3
    :param cores: vCPUs of each, or a template: 1, 2, 4 (default), 8 or 16
    :param memory: heap of each, e.g. ``14g`` (default)
    :param memory_overhead: what each needs beside; default: a tenth of it, and at least 384 MB
    :param disk: e.g. ``100g``, from 20 to 200 GB, or to 2,000 if it is shuffle-optimized; default 20
    :param disk_type: ``STANDARD`` (default) or ``SHUFFLE_OPTIMIZED``
    :param at_least: Spark keeps that many (``spark.dynamicAllocation.minExecutors``); default 0
    :param at_most: Spark takes no more (``spark.dynamicAllocation.maxExecutors``); default: without limit
    :raises ConfigurationError: the service offers no such worker
    """
    least, most = as_whole_number(at_least), as_whole_number(at_most)
    if least is not None and most is not None and least > most:
        raise ConfigurationError(f"`at_least` is {least}, and `at_most` {most}: fewer than that.")
    return {
        **_worker("executor", cores, memory, memory_overhead, disk, disk_type),
        **_given(
            {
                "spark.executor.instances": _count(number, "number", 1),
                "spark.dynamicAllocation.minExecutors": _count(at_least, "at_least", 0),
                "spark.dynamicAllocation.maxExecutors": _count(at_most, "at_most", 1),
            }
        ),
    }


def environment(
    variables: Properties, *, of: Literal["driver", "executors", "driver_and_executors"] = "driver_and_executors"
) -> Fragment:
    """Environment variables of Spark's workers.

    :param variables: their values by name
    :param of: whose
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    prefixes = {
        "driver": ["spark.emr-serverless.driverEnv."],
        "executors": ["spark.executorEnv."],
        "driver_and_executors": ["spark.emr-serverless.driverEnv.", "spark.executorEnv."],
    }
    if of not in prefixes:
        raise wrong(of, "of", f"one of {', '.join(map(repr, prefixes))}")
    if not isinstance(variables, Mapping):
        raise wrong(variables, "variables", "a mapping, whose values may be templates")
    found = dict(pairs_of(properties(variables, "variables"), "variables"))
    return {f"{prefix}{name}": value for prefix in prefixes[of] for name, value in found.items()}


def python_environment(archive: Text, *, python: str = "bin/python", folder: str = "environment") -> Fragment:
    """A Python environment of your own, with its packages, for driver and executors.

    :param archive: S3 URI of what ``venv-pack`` or ``conda-pack`` made, built for the operating system of the release
    :param python: the interpreter in it
    :param folder: where it is unpacked
    :raises ConfigurationError: ``archive`` is no text
    """
    where = single(archive, "archive")
    if not isinstance(where, str):
        raise wrong(archive, "archive", "an S3 URI, or a template of one")
    named, _, own_folder = where.partition("#")
    interpreter = f"./{own_folder or folder}/{python.removeprefix('./')}"
    return {"spark.archives": f"{named}#{own_folder or folder}", **python_interpreter(interpreter)}


def python_interpreter(path: Text) -> Fragment:
    """The Python of driver and executors.

    :param path: of the interpreter in the image, e.g. ``/usr/local/bin/python3.11``
    :raises ConfigurationError: it is no text
    """
    of_executors = environment({"PYSPARK_PYTHON": path})
    return {**environment({"PYSPARK_DRIVER_PYTHON": path}, of="driver"), **of_executors}


def java_home(java: Literal[17] | str, *, architecture: Literal["X86_64", "ARM64"] = "X86_64") -> Fragment:
    """The Java of driver and executors.

    :param java: ``17``: Corretto 17, which releases from emr-6.11.0 on have beside their default; or the folder of
        another in the image
    :param architecture: of the application, for the folder of Corretto
    :raises ConfigurationError: it is neither
    """
    if as_whole_number(java) == 17:
        suffix = {"X86_64": "x86_64", "ARM64": "aarch64"}.get(architecture)
        if suffix is None:
            raise wrong(architecture, "architecture", "'X86_64' or 'ARM64'")
        return environment({"JAVA_HOME": f"/usr/lib/jvm/java-17-amazon-corretto.{suffix}/"})
    if not isinstance(java, str) or as_whole_number(java) is not None:
        raise wrong(java, "java", "17, or the folder of a Java in the image")
    return environment({"JAVA_HOME": java})


def secret(secret_id: str) -> str:
    """The value of a property that the service takes from AWS Secrets Manager when the job run starts.

    :param secret_id: name of the secret, or its ARN with the six characters at its end; its value is plain text
    :raises ConfigurationError: it is no text
    """
    found = single(secret_id, "secret_id")
    if not isinstance(found, str):
        raise wrong(secret_id, "secret_id", "the name of a secret, or a template of one")
    return f"EMR.secret@{found.removeprefix('EMR.secret@')}"


def glue_catalog(catalog_id: Text | None = None) -> Fragment:
    """The AWS Glue Data Catalog as the metastore of Spark's tables.

    :param catalog_id: AWS account whose catalog it is; default: the job's
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    return _given(
        {
            "spark.hadoop.hive.metastore.client.factory.class": _GLUE_METASTORE,
            "spark.hadoop.hive.metastore.glue.catalogid": optional(catalog_id, "catalog_id"),
        }
    )


def jdbc_metastore(*, driver_class: Text, url: Text, user: Text, password: Text) -> Fragment:
    """A Hive metastore in a database of your own.

    :param driver_class: of the JDBC driver, whose jar is to be given, too, e.g. ``org.mariadb.jdbc.Driver``
    :param url: ``jdbc:mysql://host:port/database``
    :param user: its user
    :param password: their password, best as :func:`secret`
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    prefix = "spark.hadoop.javax.jdo.option.Connection"
    return {
        f"{prefix}DriverName": single(driver_class, "driver_class"),
        f"{prefix}URL": single(url, "url"),
        f"{prefix}UserName": single(user, "user"),
        f"{prefix}Password": single(password, "password"),
    }


def iceberg(
    catalog: str = "spark_catalog",
    *,
    warehouse: Text | None = None,
    catalog_type: Literal["glue", "rest", "hive", "hadoop"] = "glue",
    glue_id: Text | None = None,
    uri: Text | None = None,
    default: bool = False,
    jar: Text | None = _ICEBERG_JAR,
) -> Fragment:
    """Apache Iceberg, and a catalog of its tables.

    :param catalog: name of the catalog; ``spark_catalog`` (default): Spark's own, which then has other tables, too
    :param warehouse: where it has its tables, as S3 URI; of ``rest`` on the AWS Glue endpoint: the id of a Glue catalog
    :param catalog_type: ``glue`` (default), ``rest``, ``hive`` or ``hadoop``
    :param glue_id: of ``glue``: AWS account or Glue catalog; default: the job's account
    :param uri: of ``rest`` and ``hive``: address of the catalog, e.g. ``https://glue.us-east-1.amazonaws.com/iceberg``
    :param default: whether it is the catalog of names that name none
    :param jar: Iceberg's jar; default: the release's; ``None``: it is given otherwise
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    if not isinstance(catalog, str) or not catalog:
        raise wrong(catalog, "catalog", "the name of a catalog, or a template of one")
    if catalog_type not in ("glue", "rest", "hive", "hadoop"):
        raise wrong(catalog_type, "catalog_type", "'glue', 'rest', 'hive' or 'hadoop'")
    for name, value, types in (("uri", uri, ("rest", "hive")), ("glue_id", glue_id, ("glue",))):
        if value is not None and catalog_type not in types:
            raise ConfigurationError(f"`{name}` is for {' and '.join(map(repr, types))}, not for {catalog_type!r}.")
    if catalog_type == "rest" and uri is None:
        raise wrong(None, "uri", "the address of the REST catalog")
    prefix = f"spark.sql.catalog.{catalog}"
    is_spark = catalog == "spark_catalog"
    signed = {f"{prefix}.rest.sigv4-enabled": "true", f"{prefix}.rest.signing-name": "glue"}
    return _given(
        {
            "spark.jars": optional(jar, "jar"),
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            prefix: f"org.apache.iceberg.spark.Spark{'Session' if is_spark else ''}Catalog",
            # What every release of Iceberg takes; "glue" as a type is newer.
            f"{prefix}.catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog" if catalog_type == "glue" else None,
            f"{prefix}.type": None if catalog_type == "glue" else catalog_type,
            f"{prefix}.warehouse": optional(warehouse, "warehouse"),
            f"{prefix}.uri": optional(uri, "uri"),
            f"{prefix}.glue.id": optional(glue_id, "glue_id"),
            **(signed if catalog_type == "rest" and "://glue." in str(uri) else {}),
            "spark.sql.defaultCatalog": catalog if default and not is_spark else None,
        }
    )


def delta(*, jars: Texts | None = None, release_label: str | None = None) -> Fragment:
    """Delta Lake, as Spark's own catalog.

    :param jars: Delta's jars; default: the release's
    :param release_label: of the application; those before emr-7.0.0 have Delta's jar by another name
    :raises ConfigurationError: a value is of the wrong kind
    """
    core = "delta-core" if _before_seven(release_label) else "delta-spark"
    own = [f"{_DELTA_FOLDER}/{core}.jar", f"{_DELTA_FOLDER}/delta-storage.jar"]
    found = own if jars is None else several(jars, "jars")
    if isinstance(found, list):
        if not found or not all(isinstance(one, str) for one in found):
            raise wrong(jars, "jars", "texts, or a reference to all of them")
        found = ",".join(found)
    return {
        "spark.jars": found,
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    }


def hudi(*, sql: bool = False, jar: Text = _HUDI_JAR) -> Fragment:
    """Apache Hudi.

    :param sql: whether SQL statements create and change its tables, which takes it as Spark's own catalog
    :param jar: Hudi's jar; default: the release's
    :raises ConfigurationError: it is no text
    """
    return _given(
        {
            "spark.jars": single(jar, "jar"),
            "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
            "spark.sql.extensions": "org.apache.spark.sql.hudi.HoodieSparkSessionExtension" if sql else None,
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.hudi.catalog.HoodieCatalog" if sql else None,
        }
    )


def assume_role(role_arn: Text) -> Fragment:
    """A role of another account for all access to S3, that to the entry point among it.

    :param role_arn: of the role, which the job's role may assume
    :raises ConfigurationError: it is no text
    """
    return {
        "spark.hadoop.fs.s3.customAWSCredentialsProvider": "com.amazonaws.emr.AssumeRoleAWSCredentialsProvider",
        **environment({"ASSUME_ROLE_CREDENTIALS_ROLE_ARN": single(role_arn, "role_arn")}),
    }


def assume_roles(roles: Mapping[str, str]) -> Fragment:
    """Roles of other accounts for access to some buckets; from emr-6.11.0 on.

    :param roles: ARN of the role, which the job's role may assume, by the name of the bucket
    :raises ConfigurationError: there is none, or a name or an ARN would end the list
    """
    if not isinstance(roles, Mapping) or not roles:
        raise wrong(roles, "roles", "a mapping of buckets to ARNs of roles")
    for bucket, role in roles.items():
        for part in (bucket, role):
            if not isinstance(part, str) or ";" in part or "->" in part:
                raise wrong(part, f"roles.{bucket}", "the ARN of a role, or a template of one")
    provider = "com.amazonaws.emr.serverless.credentialsprovider.BucketLevelAssumeRoleCredentialsProvider"
    return {
        "spark.hadoop.fs.s3.customAWSCredentialsProvider": provider,
        "spark.hadoop.fs.s3.bucketLevelAssumeRoleMapping": ";".join(f"{one}->{role}" for one, role in roles.items()),
    }


def s3_access_grants(*, fall_back_to_iam: Flag = False) -> Fragment:
    """S3 Access Grants for access to S3; from emr-6.15.0 on.

    :param fall_back_to_iam: whether the role's own permissions count where there is no grant
    :raises ConfigurationError: it is no flag
    """
    found = flag(fall_back_to_iam, "fall_back_to_iam")
    return {
        "spark.hadoop.fs.s3.s3AccessGrants.enabled": "true",
        "spark.hadoop.fs.s3.s3AccessGrants.fallbackToIAM": as_text(found) if isinstance(found, bool) else found,
    }


def s3_encryption(key_id: Text, *, bucket: str | None = None) -> Fragment:
    """A KMS key for what is written to S3.

    :param key_id: of the key
    :param bucket: the one bucket that it is for; default: all
    :raises ConfigurationError: it is no text
    """
    if not isinstance(bucket, (str, type(None))):
        raise wrong(bucket, "bucket", "the name of a bucket, or a template of one")
    prefix = "spark.hadoop.fs.s3." if bucket is None else f"spark.hadoop.fs.s3.bucket.{bucket}."
    return {
        f"{prefix}enableServerSideEncryption": "true",
        f"{prefix}serverSideEncryption.kms.keyId": single(key_id, "key_id"),
    }


def lake_formation() -> Fragment:
    """AWS Lake Formation for access to tables, rows and columns; from emr-7.2.0 on. A job run then has two drivers."""
    return {"spark.emr-serverless.lakeformation.enabled": "true"}


def internode_encryption() -> Fragment:
    """TLS between the workers; from emr-6.15.0 on. Lake Formation has it anyway."""
    return {"spark.ssl.internode.enabled": "true"}


def log4j2(level: str | None = None, loggers: Mapping[str, str] | None = None) -> Fragment:
    """Levels of logs, for the classifications ``spark-driver-log4j2`` and ``spark-executor-log4j2``.

    :param level: of what has none of its own: ``trace``, ``debug``, ``info``, ``warn``, ``error``, ``fatal``, ``off``
    :param loggers: levels by the names of loggers, i.e. of packages or classes
    :raises ConfigurationError: there is no such level
    """
    levels = ("trace", "debug", "info", "warn", "error", "fatal", "off", "all")
    given = {} if loggers is None else loggers
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise wrong(loggers, "loggers", "a mapping of names of loggers to levels")
    found = {} if level is None else {"rootLogger.level": level}
    for number, (name, one) in enumerate(given.items()):
        # What stands for the logger among the properties has letters and digits only, and is no other's.
        identifier = name if name.isidentifier() and name.isascii() else f"logger{number}"
        found |= {f"logger.{identifier}.name": name, f"logger.{identifier}.level": one}
    for name, one in found.items():
        if name.endswith(".level") and not is_rendered_later(one) and str(one).lower() not in levels:
            raise wrong(one, "level" if name.startswith("root") else "loggers", f"one of {', '.join(levels)}")
    return found


def _given(found: Mapping[str, Any]) -> Fragment:
    return {name: value for name, value in found.items() if value is not None}


def _count(value: Any, parameter: str, least: int) -> Any:
    if value is None or is_rendered_later(value):
        return value
    number = as_whole_number(value)
    if number is None or number < least:
        raise wrong(value, parameter, f"a whole number, {least} or more")
    return str(number)


def _worker(role: str, cores: Any, memory: Any, overhead: Any, disk: Any, disk_type: Any) -> Fragment:
    sizes = {
        "memory": single(memory, "memory"),
        "memory_overhead": optional(overhead, "memory_overhead"),
        "disk": optional(disk, "disk"),
    }
    gigabytes = {name: _gigabytes(size, name) for name, size in sizes.items()}
    heap, beside = gigabytes["memory"], gigabytes["memory_overhead"]
    if heap is not None and overhead is None:
        beside = max(LEAST_OVERHEAD_MB / 1024, heap * OVERHEAD_FACTOR)
    if not is_rendered_later(cores):
        vcpus = as_whole_number(cores)
        if vcpus not in SUPPORTED:
            raise wrong(cores, "cores", f"one of {', '.join(map(str, SUPPORTED))}")
        if heap is not None and beside is not None and SUPPORTED[vcpus].holding(heap + beside) is None:
            most = SUPPORTED[vcpus].most
            raise ConfigurationError(
                f"`memory` is {memory!r}, with an overhead of {beside:.1f} GB {heap + beside:.1f} GB: a worker with "
                f"{vcpus} vCPUs has at most {most} GB. Take less memory, or more `cores`."
            )
    kind = str(disk_type or "STANDARD")
    if kind not in ("STANDARD", "SHUFFLE_OPTIMIZED"):
        raise wrong(disk_type, "disk_type", "'STANDARD' or 'SHUFFLE_OPTIMIZED'")
    most_disk = MOST_DISK_GB[kind.lower()]
    if gigabytes["disk"] is not None and not FREE_DISK_GB <= gigabytes["disk"] <= most_disk:
        raise wrong(disk, "disk", f"{FREE_DISK_GB:g}g to {most_disk:g}g, of a disk of type {kind}")
    return _given(
        {
            f"spark.{role}.cores": cores if is_rendered_later(cores) else as_text(cores),
            f"spark.{role}.memory": sizes["memory"],
            f"spark.{role}.memoryOverhead": sizes["memory_overhead"],
            f"spark.emr-serverless.{role}.disk": sizes["disk"],
            f"spark.emr-serverless.{role}.disk.type": None if disk_type is None else kind.lower(),
        }
    )


def _gigabytes(size: Any, parameter: str) -> float | None:
    """A size; ``None``: it is not given, or known later."""
    if size is None or is_rendered_later(size):
        return None
    # Spark takes no blanks and no fractions.
    found = size_mb(size, unit="g" if parameter == "disk" else "m") if str(size).isalnum() else None
    if found is None:
        raise wrong(size, parameter, "a size such as 14g or 2000m")
    return found / 1024


def _before_seven(release_label: str | None) -> bool:
    if release_label is None:
        return False
    major = str(release_label).removeprefix("emr-").removeprefix("spark-").partition(".")[0]
    if not major.isdigit():
        raise wrong(release_label, "release_label", "a release such as 'emr-7.9.0'")
    return int(major) < 7
