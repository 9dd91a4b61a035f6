"""The options of the ``[emrs_ext]`` section of Airflow's configuration, read in one place and nowhere else."""

from __future__ import annotations

from typing import Any

from airflow_emrs_ext._compat import conf

SECTION = "emrs_ext"

# One entry per option, in the form that Airflow's provider information wants.
OPTIONS: dict[str, dict[str, Any]] = {
    "waiter_delay": {
        "description": "Longest pause between two looks at a resource that a task waits for, in seconds. "
        "The first looks come sooner. An operator's waiter_delay overrides it.",
        "version_added": "0.1.0",
        "type": "float",
        "default": "30",
        "example": "60",
    },
    "patience": {
        "description": "How long one API call is repeated through throttling, server errors and network failures "
        "before the task gives up, in seconds. A deadline of the task itself may end it sooner.",
        "version_added": "0.1.0",
        "type": "float",
        "default": "1800",
        "example": "3600",
    },
    "progress_interval": {
        "description": "Longest silence in the task log while waiting, in seconds. A change of state is always logged.",
        "version_added": "0.1.0",
        "type": "float",
        "default": "300",
        "example": "60",
    },
}


def _float(option: str) -> float:
    return float(conf.getfloat(SECTION, option, fallback=float(OPTIONS[option]["default"])))


def waiter_delay() -> float:
    """Longest pause between two looks at a resource, in seconds."""
    return _float("waiter_delay")


def patience() -> float:
    """How long one call is repeated through throttling, server errors and network failures, in seconds."""
    return _float("patience")


def progress_interval() -> float:
    """Longest silence in the task log while waiting, in seconds."""
    return _float("progress_interval")


def default_deferrable() -> bool:
    """Airflow's own ``[operators] default_deferrable``."""
    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))
