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
    from airflow.sdk.log import mask_secret as _mask
else:
    if AIRFLOW_3:
        from airflow.sdk import Context
        from airflow.sdk.bases.sensor import PokeReturnValue
    else:
        from airflow.sensors.base import PokeReturnValue
        from airflow.utils.context import Context

    if not AIRFLOW_3:
        from airflow.utils.log.secrets_masker import mask_secret as _mask
    elif Version("3.1") <= AIRFLOW_VERSION:
        from airflow.sdk.log import mask_secret as _mask
    else:
        from airflow.sdk.execution_time.secrets_masker import _secrets_masker

        # What 3.0 offers in public also tells the supervisor, over a socket that it does not share between threads.
        _mask = _secrets_masker().add_mask

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


def mask_secret(secret: str) -> None:
    """Hide a secret in the log of the task, from any thread."""
    _mask(secret)


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
    "mask_secret",
]
