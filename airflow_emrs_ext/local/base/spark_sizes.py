"""Sizes and numbers of workers, as Spark's properties and spark-submit's options say them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.runner import Workers, WorkerSize
from airflow_emrs_ext.shared.worker_sizes import LEAST_OVERHEAD_MB, OVERHEAD_FACTOR, size_mb

# Spark's own defaults, unlike EMR Serverless's.
_DEFAULT_CORES = "1"
_DEFAULT_MEMORY = "1g"
_DEFAULT_EXECUTORS = 2

SWITCHES: frozenset[str] = frozenset(
    {"--verbose", "-v", "--supervise", "--help", "-h", "--usage-error", "--version", "--load-spark-defaults"}
)
"""The options of spark-submit that no value follows."""

_SECONDS = {"us": 1e-6, "ms": 1e-3, "": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_TIME = re.compile(rf"([0-9]{{1,12}})({'|'.join(_SECONDS)})")
_FLAGS = {
    "--driver-cores": "spark.driver.cores",
    "--driver-memory": "spark.driver.memory",
    "--executor-cores": "spark.executor.cores",
    "--executor-memory": "spark.executor.memory",
    "--num-executors": "spark.executor.instances",
    "--jars": "spark.jars",
    "--py-files": "spark.submit.pyFiles",
    "--files": "spark.files",
    "--archives": "spark.archives",
}


def split_command(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """What spark-submit is given, cut before the application.

    :param words: after the name of the command
    :return: its options with their values; the application and its arguments
    """
    position = 0
    while position < len(words) and words[position].startswith("-"):
        has_value = "=" not in words[position] and words[position] not in SWITCHES
        position += 2 if has_value else 1
    return list(words[:position]), list(words[position:])


def submitted_properties(parameters: str | None, member: str) -> dict[str, str]:
    """The Spark properties among the parameters of spark-submit, its shorthand options for sizes among them.

    :param parameters: as spark-submit takes them, quoted as for a shell
    :param member: the parameter that holds them, for the error
    :raises ApiError: a quote is not closed, or ``--conf`` is not followed by ``key=value``
    """
    return read_properties(parameters, member, ("--conf", "-c"), _FLAGS)


def read_properties(
    parameters: str | None, member: str, settings: tuple[str, ...], flags: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """The properties among the parameters of a command.

    :param parameters: quoted as for a shell
    :param member: the parameter that holds them, for the error
    :param settings: the options that ``key=value`` follows
    :param flags: options that stand for one property each
    :raises ApiError: a quote is not closed, or an option lacks what must follow it
    """
    try:
        tokens = iter(shlex.split(parameters or ""))
    except ValueError as error:
        raise validation_error(f"{member}: cannot be read as a shell would: {error}") from None
    found: dict[str, str] = {}
    for token in tokens:
        option, joined, value = token.partition("=")
        if option not in settings and option not in flags:
            continue
        if not joined:
            value = next(tokens, "")
        if option in flags:
            if not value:
                raise validation_error(f"{member}: {option} needs a value")
            found[flags[option]] = value
            continue
        key, separator, setting = value.partition("=")
        if not separator or not key.strip():
            raise validation_error(f"{member}: {option} needs key=value, not {value!r}")
        # Names are not trimmed, as spark-submit does not; what Spark reads numbers from is.
        found[key] = setting.strip()
    return found


def memory_mb(text: str, name: str, unit: str = "m") -> float:
    """A memory size as Spark and Hive write it, in MB.

    :param text: e.g. ``4g``, ``512m``; a bare number counts in ``unit``
    :param name: the property, for the error
    :param unit: unit of a bare number: ``k``, ``m``, ``g`` or ``t``
    :raises ApiError: it is no size
    """
    size = size_mb(text, unit)
    if size is None:
        raise validation_error(f"{name}: {text!r} is no size such as 4g or 4096m")
    return size


def seconds(text: str, name: str) -> float:
    """A time as Spark writes it, in seconds.

    :param text: e.g. ``60s``, ``2min``, ``500ms``; a bare number counts in seconds
    :param name: the property, for the error
    :raises ApiError: it is no time
    """
    match = _TIME.fullmatch(text.strip().lower())
    if match is None:
        raise validation_error(f"{name}: {text!r} is no time such as 60s or 2min")
    return int(match[1]) * _SECONDS[match[2]]


def whole(text: str, name: str, least: int = 0) -> int:
    """A whole number from a property.

    :raises ApiError: it is none, or less than ``least``
    """
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdigit() and len(stripped) <= 9 and int(stripped) >= least):
        raise validation_error(f"{name}: must be a whole number of at least {least}, not {text!r}")
    return int(stripped)


def overhead_mb(properties: Mapping[str, str], role: str, memory: float, *factors: str) -> float:
    """The memory in MB that a worker needs beside its heap.

    :param properties: Spark properties
    :param role: ``driver`` or ``executor``
    :param memory: the heap in MB
    :param factors: properties that hold the share of the heap, after the role's own
    """
    name = f"spark.{role}.memoryOverhead"
    if name in properties:
        return memory_mb(properties[name], name)
    for factor_name in (f"spark.{role}.memoryOverheadFactor", *factors):
        if factor_name in properties:
            factor = _factor(properties[factor_name], factor_name)
            break
    else:
        factor = OVERHEAD_FACTOR
    return max(LEAST_OVERHEAD_MB, memory * factor)


def executor_count(properties: Mapping[str, str], *, default: int, dynamic: bool) -> int:
    """How many executors Spark asks for at first; at least one.

    :param properties: Spark properties
    :param default: how many without a property
    :param dynamic: whether it allocates them dynamically without a property
    """

    def number(name: str, default: str = "0") -> int:
        return whole(properties.get(name, default), name)

    instances, initial = "spark.executor.instances", "spark.dynamicAllocation.initialExecutors"
    if properties.get("spark.dynamicAllocation.enabled", str(dynamic)).strip().lower() != "true":
        return max(1, number(instances, str(default)))
    asked = [number(name) for name in (instances, initial) if name in properties]
    first = max(number("spark.dynamicAllocation.minExecutors"), *(asked or [default]))
    most = properties.get("spark.dynamicAllocation.maxExecutors", "infinity")
    if most.strip().lower() != "infinity":
        first = min(first, whole(most, "spark.dynamicAllocation.maxExecutors"))
    return max(1, first)


def workers_of(properties: Mapping[str, str], *factors: str) -> Workers:
    """The driver and the executors that Spark properties ask for, with Spark's own defaults.

    :param properties: those in force
    :param factors: properties that hold the share of the heap that comes on top of it, after the role's own
    :raises ApiError: one of them is no size or number; it is named
    """
    return Workers(
        _worker(properties, "driver", factors),
        _worker(properties, "executor", factors),
        executor_count(properties, default=_DEFAULT_EXECUTORS, dynamic=False),
    )


def _worker(properties: Mapping[str, str], role: str, factors: tuple[str, ...]) -> WorkerSize:
    cores, memory = f"spark.{role}.cores", f"spark.{role}.memory"
    heap = memory_mb(properties.get(memory, _DEFAULT_MEMORY), memory)
    overhead = overhead_mb(properties, role, heap, *factors)
    cpu = whole(properties.get(cores, _DEFAULT_CORES), cores, 1)
    # Its scratch space is that of its node.
    return WorkerSize(float(cpu), (heap + overhead) / 1024, 0.0)


def _factor(text: str, name: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = -1.0
    if not 0 <= factor < 100:
        raise validation_error(f"{name}: must be a number such as 0.1, not {text!r}")
    return factor
