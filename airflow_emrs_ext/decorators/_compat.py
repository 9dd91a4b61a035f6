"""The branches on the version of Airflow that decorators need.

Apart from the package's others, because Airflow's Python operators take 40 ms to import and most tasks need none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_emrs_ext._compat import AIRFLOW_3

if TYPE_CHECKING or AIRFLOW_3:
    from airflow.providers.standard.operators.python import (
        ExternalPythonOperator,
        PythonOperator,
        PythonVirtualenvOperator,
    )
    from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory
else:
    from airflow.decorators.base import DecoratedOperator, task_decorator_factory
    from airflow.operators.python import ExternalPythonOperator, PythonOperator, PythonVirtualenvOperator

__all__ = [
    "DecoratedOperator",
    "ExternalPythonOperator",
    "PythonOperator",
    "PythonVirtualenvOperator",
    "task_decorator_factory",
]
