"""The options of the ``[emrs_ext]`` section of Airflow's configuration, read in one place and nowhere else."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_emrs_ext._compat import conf
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.provider_info import OPTIONS, SECTION
from airflow_emrs_ext.shared.quotas import Quotas, amended

log: logging.Logger = logging.getLogger(__name__)


def _float(option: str) -> float:
    return float(conf.getfloat(SECTION, option, fallback=float(OPTIONS[option]["default"])))


def waiter_delay() -> float:
    """Longest pause between two looks at a resource, in seconds."""
    return _float("waiter_delay")


def patience() -> float:
    """How long one call is repeated through throttling, server errors and network failures, in seconds."""
    return _float("patience")


def access_patience() -> float:
    """How long one call is repeated while access is refused, in seconds."""
    return _float("access_patience")


def progress_interval() -> float:
    """Longest silence in the task log while waiting, in seconds."""
    return _float("progress_interval")


def driver_log_interval() -> float:
    """How often the service uploads a driver's log, in seconds."""
    return _float("driver_log_interval")


def notification_queue() -> str | None:
    """The URL of the SQS queue that tells deferred tasks of changes of state, if there is one."""
    return conf.get(SECTION, "notification_queue", fallback="") or None


def quotas() -> Quotas:
    """How many calls the services take: what they publish, with the option's own.

    :raises ConfigurationError: the option is no such JSON
    """
    given: str = conf.get(SECTION, "quotas", fallback="")
    try:
        return amended(json.loads(given or "{}"))
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"[{SECTION}] quotas is {given!r}: {error}. It takes a JSON object such as {OPTIONS['quotas']['example']}."
        ) from None


def default_tags() -> bool:
    """Whether what a task starts is tagged with the task's ids."""
    return bool(conf.getboolean(SECTION, "default_tags", fallback=OPTIONS["default_tags"]["default"] == "True"))


def deployment() -> str:
    """The name that a person has given this Airflow among those of the account; empty: none.

    See :func:`~airflow_emrs_ext.core.deployment.deployment_of`.
    """
    named: str = conf.get(SECTION, "deployment", fallback="")
    return named


def journal_folder() -> Path:
    """Where a triggerer notes what its deferred tasks have started: the option's, else beside the task logs."""
    named: str = conf.get(SECTION, "journal_folder", fallback="")
    return Path(named) if named else Path(conf.get("logging", "base_log_folder")) / "emrs_ext_journal"


def task_view() -> bool:
    """Whether the UI's page of each task has a tab for its job run or session."""
    return bool(conf.getboolean(SECTION, "task_view", fallback=OPTIONS["task_view"]["default"] == "True"))


def prices() -> Mapping[str, Any]:
    """Prices per Region and architecture, and their currency; empty where the user has given none that can be read."""
    try:
        given = json.loads(conf.get(SECTION, "prices", fallback="") or "{}")
    except ValueError as error:
        log.warning("[emrs_ext] prices is no JSON, and no cost is estimated: %s", error)
        return {}
    return given if isinstance(given, Mapping) else {}


def injects_openlineage(information: str) -> bool:
    """OpenLineage's own ``[openlineage] spark_inject_…_info``, of ``parent_job`` or ``transport``."""
    return bool(conf.getboolean("openlineage", f"spark_inject_{information}_info", fallback=False))


def studio_url() -> str:
    """The address of the EMR Studio that console links open; empty: none."""
    named: str = conf.get(SECTION, "studio_url", fallback="")
    return named.rstrip("/")


def default_deferrable() -> bool:
    """Airflow's own ``[operators] default_deferrable``."""
    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))
