"""What Airflow asks of a provider package, through the entry point ``apache_airflow_provider``."""

from __future__ import annotations

from typing import Any

from airflow_emrs_ext import __version__


def get_provider_info() -> dict[str, Any]:
    """The provider's information, in the form of Airflow's ``provider_info`` schema."""
    from airflow_emrs_ext.settings import OPTIONS, SECTION

    return {
        "package-name": "airflow-emrs-ext",
        "name": "Amazon EMR extensions",
        "description": "Run Spark on Amazon EMR Serverless: applications, job runs, and a local endpoint.",
        "versions": [__version__],
        "config": {
            SECTION: {
                "description": "Options of the airflow-emrs-ext package.",
                "options": OPTIONS,
            }
        },
    }
