"""Functions that build the structures of StartJobRun in the API's own form, of whatever Airflow renders.

Those whose names begin with ``eks`` are for EMR on EKS, the others for EMR Serverless.

What they return are dictionaries whose parts Airflow renders one by one, and among which it finds references to other
tasks: arguments, the names and values of properties, entries of lists. Only what has been rendered becomes text, so
that nothing that a value holds can end it or add an option. ``print()`` shows the request that comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from airflow_emrs_ext.application_spec import LogType, WorkerType, monitoring_configuration
from airflow_emrs_ext.core.specs import (
    Classification,
    Conf,
    Flag,
    Properties,
    Spec,
    Text,
    Texts,
    configurations,
    flag,
    given,
    listed,
    optional,
    options,
    properties,
    several,
    single,
)
from airflow_emrs_ext.core.values import wrong

__all__ = [
    "Classification",
    "Conf",
    "Flag",
    "Properties",
    "Spec",
    "Text",
    "Texts",
    "configuration_overrides",
    "eks_configuration_overrides",
    "eks_spark_sql",
    "eks_spark_submit",
    "execution_iam_policy",
    "hive",
    "hive_query",
    "spark_submit",
    "statement",
]

_SWITCH = {True: "ENABLED", False: "DISABLED"}

_ONE_TEXT_EACH = "a list with one text for each argument"


def spark_submit(
    entry_point: Text,
    arguments: Texts = (),
    *,
    class_name: Text | None = None,
    conf: Conf | None = None,
    py_files: Texts = (),
    jars: Texts = (),
    files: Texts = (),
    archives: Texts = (),
    packages: Texts = (),
) -> Spec:
    """A ``jobDriver`` that submits a Spark application.

    :param entry_point: S3 URI of the ``.py`` or ``.jar`` file
    :param arguments: of the application, one text or number each
    :param class_name: main class of a jar (``--class``)
    :param conf: Spark properties (``--conf``), which win over those of ``configuration_overrides``
    :param py_files: S3 URIs of Python modules or archives of them (``--py-files``)
    :param jars: S3 URIs of further jars (``--jars``)
    :param files: S3 URIs of files for the working directory (``--files``)
    :param archives: S3 URIs of archives that are unpacked there, with ``#name`` into a folder (``--archives``)
    :param packages: Maven coordinates ``group:artifact:version`` (``--packages``); the application needs a network with
        a way to the repository
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    parameters = {
        "--class": optional(class_name, "class_name"),
        "--py-files": several(py_files, "py_files"),
        "--jars": several(jars, "jars"),
        "--files": several(files, "files"),
        "--archives": several(archives, "archives"),
        "--packages": several(packages, "packages"),
        "--conf": properties(conf, "conf"),
    }
    return Spec(
        sparkSubmit=given(
            entryPoint=single(entry_point, "entry_point"),
            entryPointArguments=listed(arguments, "arguments", _ONE_TEXT_EACH),
            sparkSubmitParameters=options(parameters),
        )
    )


def eks_spark_submit(
    entry_point: Text,
    arguments: Texts = (),
    *,
    class_name: Text | None = None,
    conf: Conf | None = None,
    py_files: Texts = (),
    jars: Texts = (),
    files: Texts = (),
    archives: Texts = (),
    packages: Texts = (),
) -> Spec:
    """A ``jobDriver`` of EMR on EKS that submits a Spark application.

    :param entry_point: S3 URI of the ``.py`` or ``.jar`` file, or ``local://`` and its path in the image
    :param arguments: of the application, one text or number each
    :param class_name: main class of a jar (``--class``)
    :param conf: Spark properties (``--conf``), which win over those of ``configuration_overrides``
    :param py_files: URIs of Python modules or archives of them (``--py-files``)
    :param jars: URIs of further jars (``--jars``)
    :param files: URIs of files for the working directory (``--files``)
    :param archives: URIs of archives that are unpacked there, with ``#name`` into a folder (``--archives``)
    :param packages: Maven coordinates ``group:artifact:version`` (``--packages``)
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    driver = spark_submit(
        entry_point,
        arguments,
        class_name=class_name,
        conf=conf,
        py_files=py_files,
        jars=jars,
        files=files,
        archives=archives,
        packages=packages,
    )
    return Spec(sparkSubmitJobDriver=driver["sparkSubmit"])


def eks_spark_sql(
    entry_point: Text,
    *,
    variables: Properties | None = None,
    conf: Conf | None = None,
) -> Spec:
    """A ``jobDriver`` of EMR on EKS that runs a file of SQL statements.

    :param entry_point: S3 URI of the ``.sql`` file
    :param variables: values of ``${name}`` in the statements (``--hivevar``)
    :param conf: Spark properties (``--conf``), which win over those of ``configuration_overrides``
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    parameters = {"--hivevar": properties(variables, "variables"), "--conf": properties(conf, "conf")}
    return Spec(
        sparkSqlJobDriver=given(entryPoint=single(entry_point, "entry_point"), sparkSqlParameters=options(parameters))
    )


def hive_query(
    query: Text,
    *,
    scratch_dir: Text,
    warehouse_dir: Text,
    init_query_file: Text | None = None,
    hiveconf: Conf | None = None,
    hivevar: Properties | None = None,
) -> Spec:
    """A ``jobDriver`` that runs a Hive query, with the two directories that each must have.

    :param query: S3 URI of the query file
    :param scratch_dir: S3 URI for temporary files (``hive.exec.scratchdir``)
    :param warehouse_dir: S3 URI of the managed tables (``hive.metastore.warehouse.dir``)
    :param init_query_file: S3 URI of a file that is run before it
    :param hiveconf: further Hive properties (``--hiveconf``), which win over those of ``configuration_overrides``
    :param hivevar: values of ``${hivevar:name}`` in the query (``--hivevar``)
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    directories: Any = {
        "hive.exec.scratchdir": single(scratch_dir, "scratch_dir"),
        "hive.metastore.warehouse.dir": single(warehouse_dir, "warehouse_dir"),
    }
    given_conf: Any = [] if hiveconf is None else hiveconf
    fragments = list(given_conf) if isinstance(given_conf, (list, tuple)) else [given_conf]
    return hive(query, init_query_file=init_query_file, hiveconf=[directories, *fragments], hivevar=hivevar)


def hive(
    query: Text,
    *,
    init_query_file: Text | None = None,
    hiveconf: Conf | None = None,
    hivevar: Properties | None = None,
) -> Spec:
    """A ``jobDriver`` that runs a Hive query whose directories the application or ``configuration_overrides`` give.

    :param query: S3 URI of the query file
    :param init_query_file: S3 URI of a file that is run before it
    :param hiveconf: Hive properties (``--hiveconf``), which win over those of ``configuration_overrides``
    :param hivevar: values of ``${hivevar:name}`` in the query (``--hivevar``)
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    parameters = {"--hiveconf": properties(hiveconf, "hiveconf"), "--hivevar": properties(hivevar, "hivevar")}
    return Spec(
        hive=given(
            query=single(query, "query"),
            initQueryFile=optional(init_query_file, "init_query_file"),
            parameters=options(parameters),
        )
    )


def configuration_overrides(
    *,
    spark_defaults: Conf | None = None,
    classifications: Mapping[str, Classification | None] | None = None,
    s3_log_uri: Text | Literal[False] | None = None,
    s3_encryption_key_arn: Text | None = None,
    cloud_watch_logs: Flag | None = None,
    cloud_watch_log_group: Text | None = None,
    cloud_watch_log_stream_prefix: Text | None = None,
    cloud_watch_encryption_key_arn: Text | None = None,
    cloud_watch_log_types: Mapping[WorkerType, Sequence[LogType | str]] | None = None,
    managed_logs: Flag | None = None,
    managed_encryption_key_arn: Text | None = None,
    prometheus_remote_write_url: Text | Literal[False] | None = None,
) -> Spec:
    """A ``configurationOverrides`` structure: what a job run has otherwise than its application.

    :param spark_defaults: properties of the classification ``spark-defaults``; they replace the application's whole
        ``spark-defaults``, unless they are empty. Those past the service's limit of 100 are submitted as ``--conf``
    :param classifications: properties of other classifications, e.g. ``{"hive-site": {…}}``; a mapping among them is a
        classification within it: ``{"spark-env": {"export": {…}}}``. An empty one removes the application's
    :param s3_log_uri: where the service writes logs on S3; ``False``: not where the application says
    :param s3_encryption_key_arn: KMS key that encrypts them
    :param cloud_watch_logs: whether the service writes logs to CloudWatch; default: if anything is given for them
    :param cloud_watch_log_group: their log group; default: ``/aws/emr-serverless``
    :param cloud_watch_log_stream_prefix: put before the names of their log streams
    :param cloud_watch_encryption_key_arn: KMS key that encrypts them
    :param cloud_watch_log_types: which logs, by type of worker; default: the driver's output
    :param managed_logs: whether the service keeps logs itself for 30 days; default: as the application says
    :param managed_encryption_key_arn: KMS key that encrypts them
    :param prometheus_remote_write_url: of an Amazon Managed Service for Prometheus workspace; ``False``: none
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    monitoring = monitoring_configuration(
        s3_log_uri=s3_log_uri,
        s3_encryption_key_arn=s3_encryption_key_arn,
        cloud_watch_logs=cloud_watch_logs,
        cloud_watch_log_group=cloud_watch_log_group,
        cloud_watch_log_stream_prefix=cloud_watch_log_stream_prefix,
        cloud_watch_encryption_key_arn=cloud_watch_encryption_key_arn,
        cloud_watch_log_types=cloud_watch_log_types,
        managed_logs=managed_logs,
        managed_encryption_key_arn=managed_encryption_key_arn,
        prometheus_remote_write_url=prometheus_remote_write_url,
    )
    return _overrides(spark_defaults, classifications, monitoring)


def eks_configuration_overrides(
    *,
    spark_defaults: Conf | None = None,
    classifications: Mapping[str, Classification | None] | None = None,
    s3_log_uri: Text | None = None,
    cloud_watch_log_group: Text | None = None,
    cloud_watch_log_stream_prefix: Text | None = None,
    persistent_app_ui: Flag | None = None,
    log_rotation_size: Text | None = None,
    log_files_to_keep: int = 10,
) -> Spec:
    """A ``configurationOverrides`` structure of EMR on EKS.

    :param spark_defaults: properties of the classification ``spark-defaults``
    :param classifications: properties of other classifications, e.g. ``{"spark-log4j": {…}}``; a mapping among them is
        a classification within it
    :param s3_log_uri: where the service writes logs on S3
    :param cloud_watch_log_group: CloudWatch log group that the service writes logs to
    :param cloud_watch_log_stream_prefix: put before the names of the log streams
    :param persistent_app_ui: whether the service keeps the Spark UI after the end of a job run; default: the service's
    :param log_rotation_size: rotate the logs in the containers at this size, e.g. ``10MB``; 2KB to 2GB
    :param log_files_to_keep: how many rotated files are kept, 1 to 50
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    monitoring: dict[str, Any] = {}
    if persistent_app_ui is not None:
        # Of a template the flag is known once it is rendered.
        kept = flag(persistent_app_ui, "persistent_app_ui")
        monitoring["persistentAppUI"] = _SWITCH[kept] if isinstance(kept, bool) else kept
    if s3_log_uri:
        monitoring["s3MonitoringConfiguration"] = {"logUri": s3_log_uri}
    if cloud_watch_log_group:
        monitoring["cloudWatchMonitoringConfiguration"] = {"logGroupName": cloud_watch_log_group}
        if cloud_watch_log_stream_prefix:
            monitoring["cloudWatchMonitoringConfiguration"]["logStreamNamePrefix"] = cloud_watch_log_stream_prefix
    if log_rotation_size:
        rotation = {"rotationSize": log_rotation_size, "maxFilesToKeep": log_files_to_keep}
        monitoring["containerLogRotationConfiguration"] = rotation
    return _overrides(spark_defaults, classifications, monitoring)


def execution_iam_policy(*statements: Mapping[str, Any], policy_arns: Texts = ()) -> Spec:
    """An ``executionIamPolicy``: what a job run may do at most, of what its role allows.

    :param statements: of a policy of its own, see :func:`statement`; none: the policies of ``policy_arns`` alone
    :param policy_arns: ARNs of managed policies, at most 10
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    for number, one in enumerate(statements):
        if not isinstance(one, Mapping) or "Effect" not in one:
            raise wrong(one, f"statements[{number}]", "a statement, as `statement()` gives it")
    arns = several([policy_arns] if isinstance(policy_arns, str) else policy_arns, "policy_arns")
    policy = {"Version": "2012-10-17", "Statement": [dict(one) for one in statements]} if statements else None
    return Spec(given(policy=policy, policyArns=arns))


def statement(
    actions: Texts,
    resources: Texts,
    *,
    effect: Literal["Allow", "Deny"] = "Allow",
    conditions: Mapping[str, Mapping[str, Text | Sequence[Text]]] | None = None,
    sid: str | None = None,
) -> dict[str, Any]:
    """A statement of an IAM policy.

    :param actions: e.g. ``"s3:GetObject"``, or several in a list
    :param resources: ARNs, e.g. ``"arn:aws:s3:::bucket/*"``, or several in a list
    :param effect: ``Allow`` (default) or ``Deny``
    :param conditions: e.g. ``{"StringEquals": {"aws:ResourceAccount": "123456789012"}}``
    :param sid: an id of letters and digits
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    if effect not in ("Allow", "Deny"):
        raise wrong(effect, "effect", "'Allow' or 'Deny'")
    found = given(
        Sid=sid,
        Effect=effect,
        Action=_one_or_several(actions, "actions"),
        Resource=_one_or_several(resources, "resources"),
        Condition=conditions,
    )
    missing = [name for name, member in (("actions", "Action"), ("resources", "Resource")) if member not in found]
    if missing:
        raise wrong([], missing[0], "at least one")
    return found


def _one_or_several(values: Any, path: str) -> Any:
    return single(values, path) if isinstance(values, str) else several(values, path)


def _overrides(spark_defaults: Any, classifications: Any, monitoring: Mapping[str, Any]) -> Spec:
    found = configurations(spark_defaults, classifications)
    return Spec(given(applicationConfiguration=found, monitoringConfiguration=monitoring or None))
