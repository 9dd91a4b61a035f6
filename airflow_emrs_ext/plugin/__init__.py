"""What Airflow loads into each of its components, through the entry point ``airflow.plugins``."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from airflow_emrs_ext.plugin import listener


class EmrExtPlugin(AirflowPlugin):
    """The listener that looks after what a triggerer has left that was lost."""

    name = "emrs_ext"
    listeners = [listener]  # noqa: RUF012 - Airflow declares it as an instance attribute
