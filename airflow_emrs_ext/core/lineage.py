"""What leads from a Spark application back to the task that started it: its name, and OpenLineage's properties."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.core import settings

Properties = dict[str, str]

SPARK_DEFAULTS = "spark-defaults"
_PARENT, _TRANSPORT = "spark.openlineage.parent", "spark.openlineage.transport"
_KINDS = {_PARENT: _PARENT, "spark.openlineage.rootParent": _PARENT, _TRANSPORT: _TRANSPORT}

# What stands before a key in the header of a call.
_HEADER = "Bearer "

PARAMETERS = {
    "sparkSubmit": "sparkSubmitParameters",
    "sparkSubmitJobDriver": "sparkSubmitParameters",
    "sparkSqlJobDriver": "sparkSqlParameters",
}
"""The member of each driver that takes options as spark-submit does."""


class _Try:
    """A task instance as it is, or was, in one of its tries."""

    def __init__(self, ti: Any, try_number: int) -> None:
        self._ti = ti
        self.try_number = try_number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ti, name)


def parents(context: Context) -> list[Properties]:
    """OpenLineage's parent properties for each generation of what a task starts.

    Each try starts one generation as a rule, so generation 0 has try 1 for its parent, whichever try asks: a repeated
    request must be the same request. Empty unless the OpenLineage provider is installed and
    ``[openlineage] spark_inject_parent_job_info`` is on.
    """
    if not settings.injects_openlineage("parent_job"):
        return []
    try:
        from airflow.providers.openlineage.utils.spark import inject_parent_job_information_into_spark_properties
    except ImportError:
        return []
    ti = context["ti"]
    tries = [_Try(ti, number) for number in range(1, ti.try_number + 1)]
    return [inject_parent_job_information_into_spark_properties({}, {**context, "ti": one}) for one in tries]


def transport(context: Context) -> Properties:
    """OpenLineage's transport properties, as Airflow's own transport has them.

    Empty unless the OpenLineage provider is installed and ``[openlineage] spark_inject_transport_info`` is on.
    """
    if not settings.injects_openlineage("transport"):
        return {}
    try:
        from airflow.providers.openlineage.utils.spark import inject_transport_information_into_spark_properties
    except ImportError:
        return {}
    return _as_meant(inject_transport_information_into_spark_properties({}, context))


def with_properties(request: Mapping[str, Any], properties: Mapping[str, str]) -> dict[str, Any]:
    """A request to start a job run or session with Spark properties added, where the user has given none of their kind.

    Those of a job run are given as ``--conf``: a ``spark-defaults`` of its own would replace the application's. What is
    not Spark is left as it is.
    """
    mentioned = str(request)
    missing = {name: value for name, value in properties.items() if _kind_of(name) not in mentioned}
    if not missing:
        return dict(request)
    if "job_template_id" in request or "hadoop_jar_step" in request:
        return dict(request)
    if "job_driver" not in request:
        return _with_defaults(request, missing)
    driver, given = spark_driver(request)
    if driver is None:
        return dict(request)
    words = [word for name, value in missing.items() for word in ("--conf", f"{name}={value}")]
    parameters = f"{given.get(PARAMETERS[driver], '')} {shlex.join(words)}".strip()
    return {**request, "job_driver": {driver: {**given, PARAMETERS[driver]: parameters}}}


def _with_defaults(request: Mapping[str, Any], properties: Mapping[str, str]) -> dict[str, Any]:
    """A request to start a session with properties added to those that it gives."""
    if "cluster_id" in request:
        given = request.get("engine_configurations")
        return {**request, "engine_configurations": _merged(given, properties, "Classification", "Properties")}
    member = "runtimeConfiguration" if "application_id" in request else "applicationConfiguration"
    overrides = request.get("configuration_overrides") or {}
    merged = _merged(overrides.get(member), properties, "classification", "properties")
    return {**request, "configuration_overrides": {**overrides, member: merged}}


def _merged(
    given: Sequence[Mapping[str, Any]] | None, added: Mapping[str, str], classification: str, properties: str
) -> list[Mapping[str, Any]]:
    """Configurations in the API's form, whose member names are given, with properties added to ``spark-defaults``."""
    given = given or []
    own: Mapping[str, Any] = next((one for one in given if one[classification] == SPARK_DEFAULTS), {})
    others = [one for one in given if one[classification] != SPARK_DEFAULTS]
    return [*others, {**own, classification: SPARK_DEFAULTS, properties: {**(own.get(properties) or {}), **added}}]


def spark_defaults(configurations: Sequence[Mapping[str, Any]] | None) -> Properties | None:
    """The properties of a ``spark-defaults`` among configurations in the API's form; ``None``: there is none."""
    found = (one for one in configurations or () if one["classification"] == SPARK_DEFAULTS)
    return next((dict(one.get("properties") or {}) for one in found), None)


def named(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request to start a job run whose Spark application has the job run's name, unless the user gives it one."""
    driver, given = spark_driver(request)
    if driver is None or "--name" in given.get(PARAMETERS[driver], ""):
        return dict(request)
    return with_properties(request, {"spark.app.name": request["name"]})


def _as_meant(properties: Mapping[str, str]) -> Properties:
    """The provider's transport properties without what they say otherwise than Airflow's own transport.

    It gives the header for the key, so that Spark would send ``Bearer`` twice, and a timeout in whole seconds: what is
    less than one is none at all, and left to the client in Spark.
    """
    meant = {}
    for name, value in properties.items():
        if name.endswith(".auth.apiKey"):
            meant[name] = value.removeprefix(_HEADER)
        elif not (name.endswith(".timeoutInMillis") and value == "0"):
            meant[name] = value
    return meant


def spark_driver(request: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    """The driver of a request to start a job run, and what is given of it; ``None``: it is not Spark, or not given."""
    found = ((name, given) for name, given in (request.get("job_driver") or {}).items() if name in PARAMETERS)
    return next(found, (None, {}))


def _kind_of(name: str) -> str:
    """What stands for a property in a request: OpenLineage's are given together, or not at all."""
    return next((kind for prefix, kind in _KINDS.items() if name.startswith(prefix)), name)
