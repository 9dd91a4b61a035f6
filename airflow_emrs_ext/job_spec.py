"""Functions that build the structures of StartJobRun in the API's own form, of whatever Airflow renders.

Those whose names begin with ``eks`` are for EMR on EKS, the others for EMR Serverless.

What they return are dictionaries whose parts Airflow renders one by one, and among which it finds references to other
tasks: arguments, the names and values of properties, entries of lists. Only what has been rendered becomes text, so
that nothing that a value holds can end it or add an option. ``print()`` shows the request that comes of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_emrs_ext.core.command_options import command_line
from airflow_emrs_ext.core.values import as_flag, as_text, is_rendered_later, wrong
from airflow_emrs_ext.exceptions import ConfigurationError

if TYPE_CHECKING:
    from airflow_emrs_ext._compat import PlainXComArg

Text: TypeAlias = "str | float | PlainXComArg"
"""A text or a number, a template that renders one, or a reference to a task's result."""

Flag: TypeAlias = "bool | str | PlainXComArg"
"""``True`` or ``False``, a template that renders one, or a reference to a task's result."""

Texts: TypeAlias = "str | Sequence[Text] | PlainXComArg"
"""Several of them; one by itself counts as a list of it."""

Properties: TypeAlias = "Mapping[str, Text | None] | PlainXComArg"
"""Values by name; ``None`` leaves one out."""

# What is a command line in a request, and has parts until then.
_OPTIONS = frozenset({"sparkSubmitParameters", "sparkSqlParameters", "parameters"})


_SWITCH = {True: "ENABLED", False: "DISABLED"}


class Spec(dict[str, Any]):
    """A structure of a request, with options as values; an ordinary dictionary to whoever takes it as one."""

    def request(self) -> dict[str, Any]:
        """The structure as the API has it: what is not rendered yet stands in it as its template.

        :raises ConfigurationError: a value cannot be said so
        """
        structure: dict[str, Any] = _as_request(self, "")
        return structure

    def __str__(self) -> str:
        """The structure as the API has it, as JSON; as a dictionary, where templates cannot be said so yet."""
        try:
            return json.dumps(self.request(), indent=2, ensure_ascii=False)
        except ConfigurationError:
            return repr(self)


def spark_submit(
    entry_point: Text,
    arguments: Texts = (),
    *,
    class_name: Text | None = None,
    conf: Properties | None = None,
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
    options = {
        "--class": None if class_name is None else _single(class_name, "class_name"),
        "--py-files": _several(py_files, "py_files"),
        "--jars": _several(jars, "jars"),
        "--files": _several(files, "files"),
        "--archives": _several(archives, "archives"),
        "--packages": _several(packages, "packages"),
        "--conf": _properties(conf, "conf"),
    }
    return Spec(
        sparkSubmit=_given(
            entryPoint=_single(entry_point, "entry_point"),
            entryPointArguments=_arguments(arguments),
            sparkSubmitParameters=_options(options),
        )
    )


def eks_spark_submit(
    entry_point: Text,
    arguments: Texts = (),
    *,
    class_name: Text | None = None,
    conf: Properties | None = None,
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
    conf: Properties | None = None,
) -> Spec:
    """A ``jobDriver`` of EMR on EKS that runs a file of SQL statements.

    :param entry_point: S3 URI of the ``.sql`` file
    :param variables: values of ``${name}`` in the statements (``--hivevar``)
    :param conf: Spark properties (``--conf``), which win over those of ``configuration_overrides``
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    options = {"--hivevar": _properties(variables, "variables"), "--conf": _properties(conf, "conf")}
    return Spec(
        sparkSqlJobDriver=_given(entryPoint=_single(entry_point, "entry_point"), sparkSqlParameters=_options(options))
    )


def hive(
    query: Text,
    *,
    init_query_file: Text | None = None,
    hiveconf: Properties | None = None,
    hivevar: Properties | None = None,
) -> Spec:
    """A ``jobDriver`` that runs a Hive query.

    :param query: S3 URI of the query file
    :param init_query_file: S3 URI of a file that is run before it
    :param hiveconf: Hive properties (``--hiveconf``), which win over those of ``configuration_overrides``
    :param hivevar: values of ``${hivevar:name}`` in the query (``--hivevar``)
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    options = {"--hiveconf": _properties(hiveconf, "hiveconf"), "--hivevar": _properties(hivevar, "hivevar")}
    return Spec(
        hive=_given(
            query=_single(query, "query"),
            initQueryFile=None if init_query_file is None else _single(init_query_file, "init_query_file"),
            parameters=_options(options),
        )
    )


def configuration_overrides(
    *,
    spark_defaults: Properties | None = None,
    classifications: Mapping[str, Properties] | None = None,
    s3_log_uri: Text | None = None,
    cloud_watch_log_group: Text | None = None,
    cloud_watch_log_stream_prefix: Text | None = None,
    managed_logs: Flag | None = None,
) -> Spec:
    """A ``configurationOverrides`` structure.

    :param spark_defaults: properties of the classification ``spark-defaults``; they replace the application's whole
        ``spark-defaults``
    :param classifications: properties of other classifications, e.g. ``{"hive-site": {...}}``
    :param s3_log_uri: where the service writes logs on S3
    :param cloud_watch_log_group: CloudWatch log group that the service writes logs to
    :param cloud_watch_log_stream_prefix: put before the names of the log streams
    :param managed_logs: whether the service keeps logs itself for 30 days; default: as the application says
    :raises ConfigurationError: a value that is no template is of the wrong kind
    """
    monitoring: dict[str, Any] = {}
    if s3_log_uri:
        monitoring["s3MonitoringConfiguration"] = {"logUri": s3_log_uri}
    if cloud_watch_log_group:
        monitoring["cloudWatchLoggingConfiguration"] = {"enabled": True, "logGroupName": cloud_watch_log_group}
        if cloud_watch_log_stream_prefix:
            monitoring["cloudWatchLoggingConfiguration"]["logStreamNamePrefix"] = cloud_watch_log_stream_prefix
    if managed_logs is not None:
        monitoring["managedPersistenceMonitoringConfiguration"] = {"enabled": _flag(managed_logs, "managed_logs")}
    return _overrides(spark_defaults, classifications, monitoring)


def eks_configuration_overrides(
    *,
    spark_defaults: Properties | None = None,
    classifications: Mapping[str, Properties] | None = None,
    s3_log_uri: Text | None = None,
    cloud_watch_log_group: Text | None = None,
    cloud_watch_log_stream_prefix: Text | None = None,
    persistent_app_ui: Flag | None = None,
    log_rotation_size: Text | None = None,
    log_files_to_keep: int = 10,
) -> Spec:
    """A ``configurationOverrides`` structure of EMR on EKS.

    :param spark_defaults: properties of the classification ``spark-defaults``
    :param classifications: properties of other classifications, e.g. ``{"spark-log4j": {...}}``
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
        flag = _flag(persistent_app_ui, "persistent_app_ui")
        monitoring["persistentAppUI"] = _SWITCH[flag] if isinstance(flag, bool) else flag
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


def _overrides(
    spark_defaults: Properties | None, classifications: Mapping[str, Properties] | None, monitoring: Mapping[str, Any]
) -> Spec:
    given = {} if classifications is None else classifications
    if not isinstance(given, Mapping):
        raise wrong(given, "classifications", "a mapping of classifications to their properties")
    if spark_defaults is not None:
        if "spark-defaults" in given:
            raise ConfigurationError("Give `spark_defaults`, or 'spark-defaults' in `classifications`, not both.")
        given = {"spark-defaults": spark_defaults, **given}
    properties_of = {name: _properties(properties, name) for name, properties in given.items()}
    overrides = Spec()
    if any(properties for properties in properties_of.values()):
        overrides["applicationConfiguration"] = [
            {"classification": name, "properties": properties} for name, properties in properties_of.items()
        ]
    if monitoring:
        overrides["monitoringConfiguration"] = monitoring
    return overrides


def _given(**members: Any) -> dict[str, Any]:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value is not None and value != []}


def _options(options: Mapping[str, Any]) -> dict[str, Any] | None:
    """The options that have a value; ``None``: none has."""
    return {option: value for option, value in options.items() if value not in (None, (), [], {})} or None


def _single(value: Any, path: str, *, may_be_empty: bool = False) -> Any:
    """One text or number, as text; a template or reference as it is.

    :raises ConfigurationError: it is neither
    """
    if is_rendered_later(value):
        return value
    text = as_text(value)
    if text is None or not (text or may_be_empty):
        raise wrong(value, path, "a text or a number")
    return text


def _flag(value: Any, path: str) -> Any:
    """One flag; a template or reference as it is."""
    if is_rendered_later(value):
        return value
    flag = as_flag(value)
    if flag is None:
        raise wrong(value, path, "True or False")
    return flag


def _several(values: Any, path: str) -> Any:
    """A list of texts; one text by itself may have commas between several."""
    if is_rendered_later(values) or isinstance(values, str):
        return values
    if not isinstance(values, Sequence) or isinstance(values, (bytes, bytearray)):
        raise wrong(values, path, "a list of texts")
    return [_single(value, f"{path}[{number}]") for number, value in enumerate(values)]


def _arguments(arguments: Any) -> Any:
    if isinstance(arguments, str) and not is_rendered_later(arguments):
        raise wrong(arguments, "arguments", "a list with one text for each argument", f"Write {arguments.split()!r}.")
    if is_rendered_later(arguments):
        return arguments
    if not isinstance(arguments, Sequence) or isinstance(arguments, (bytes, bytearray)):
        raise wrong(arguments, "arguments", "a list with one text for each argument")
    return [_single(one, f"arguments[{number}]", may_be_empty=True) for number, one in enumerate(arguments)]


def _properties(properties: Any, path: str) -> Any:
    """Properties as a mapping, or, if Airflow is to render their names, too, as a list of pairs."""
    if properties is None or is_rendered_later(properties):
        return properties
    if not isinstance(properties, Mapping):
        raise wrong(properties, path, "a mapping of names to values")
    found = {}
    for name, value in properties.items():
        if not isinstance(name, str) or not name or ("=" in name and not is_rendered_later(name)):
            raise ConfigurationError(f"`{path}`: {name!r} is no name of a property.")
        if value is not None:
            found[name] = _single(value, f"{path}.{name}", may_be_empty=True)
    return [[name, value] for name, value in found.items()] if any(map(is_rendered_later, found)) else found


def _as_request(value: Any, member: str) -> Any:
    if hasattr(value, "resolve"):
        return str(value)
    if isinstance(value, Mapping):
        parts = {name: _as_request(one, name) for name, one in value.items() if one is not None}
        if member in _OPTIONS:
            return command_line(parts, member)
        return {name: one for name, one in parts.items() if not (name in _OPTIONS and one == "")}
    if isinstance(value, (list, tuple)):
        return dict(value) if member == "properties" else [_as_request(one, member) for one in value]
    return value
