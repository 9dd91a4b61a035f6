"""What Airflow loads into each of its components, through the entry point ``airflow.plugins``."""

from __future__ import annotations

import sys
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_emrs_ext.plugin import listener, registration


class EmrExtPlugin(AirflowPlugin):
    """The listener that looks after what a triggerer has left that was lost, and the route that the links lead to."""

    name: str = "emrs_ext"
    # Where anything listens Airflow refuses DAGs with a task that has `end_from_trigger=True`, as its own sensors may.
    listeners: Any = [listener] if "triggerer" in sys.argv else []
    fastapi_apps: Any = registration.fastapi_apps()
    external_views: Any = registration.external_views()
    operator_extra_links: Any = registration.LazyLinks()
    flask_blueprints: Any = registration.flask_blueprints()
