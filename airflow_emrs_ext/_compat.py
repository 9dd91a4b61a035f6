"""Every branch on the version of Airflow: the rest of the package imports these names from here.

Airflow 3 moved the names that authors of operators use to ``airflow.sdk``; the exceptions followed in 3.2 only. Each
group is tried as a whole, because half a group would mix two classes of the same name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow import __version__ as _airflow_version
from packaging.version import Version

AIRFLOW_VERSION = Version(Version(_airflow_version).base_version)
AIRFLOW_3 = Version("3.0") <= AIRFLOW_VERSION

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.bases.sensor import PokeReturnValue
    from airflow.sdk.configuration import conf
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferred,
    )
else:
    if AIRFLOW_3:
        from airflow.sdk import Context
        from airflow.sdk.bases.sensor import PokeReturnValue
    else:
        from airflow.sensors.base import PokeReturnValue
        from airflow.utils.context import Context

    try:
        from airflow.sdk.configuration import conf
        from airflow.sdk.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowSensorTimeout,
            AirflowSkipException,
            TaskDeferred,
        )
    except ImportError:
        from airflow.configuration import conf
        from airflow.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowSensorTimeout,
            AirflowSkipException,
            TaskDeferred,
        )

__all__ = [
    "AIRFLOW_3",
    "AIRFLOW_VERSION",
    "AirflowException",
    "AirflowFailException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "Context",
    "PokeReturnValue",
    "TaskDeferred",
    "conf",
]
