"""The branch on the version of Airflow that sensors need, apart from those that operators need, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_emrs_ext._compat import AIRFLOW_3

if TYPE_CHECKING or AIRFLOW_3:
    from airflow.sdk.bases.sensor import BaseSensorOperator, PokeReturnValue
else:
    from airflow.sensors.base import BaseSensorOperator, PokeReturnValue

__all__ = ["BaseSensorOperator", "PokeReturnValue"]
