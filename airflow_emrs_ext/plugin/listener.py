"""What the package does when a component of Airflow starts."""

from __future__ import annotations

import sys
import threading
from typing import Any

from airflow.listeners import hookimpl

# The triggerer starts its other process first: a process that forks must have no second thread.
_SECONDS = 10.0


@hookimpl
def on_starting(component: Any) -> None:
    """Look after what the triggerer before this one has left."""
    # Airflow calls this before the component knows its type; each task of Airflow 2 is a component, too.
    if "triggerer" in sys.argv:
        timer = threading.Timer(_SECONDS, _look_after_what_was_left, [component])
        timer.daemon = True
        timer.start()


def _look_after_what_was_left(component: Any) -> None:
    if component.job_type != "TriggererJob":
        return
    # The components that load this module for nothing shall not pay for what it needs.
    from airflow_emrs_ext.triggers.journal import look_after_what_was_left

    look_after_what_was_left()
