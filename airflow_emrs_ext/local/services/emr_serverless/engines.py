"""The engines of EMR Serverless applications."""

from __future__ import annotations

from airflow_emrs_ext.local.base.errors import validation_error

SPARK, HIVE = "Spark", "Hive"


def engine(given: str) -> str:
    """The engine behind ``type``, in any case: ``Spark`` or ``Hive``.

    :raises ApiError: there is no such engine
    """
    for name in (SPARK, HIVE):
        if given.upper() == name.upper():
            return name
    raise validation_error(f"type: must be SPARK or HIVE, not {given!r}")
