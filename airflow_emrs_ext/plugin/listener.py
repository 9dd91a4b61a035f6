"""What the package does when a component of Airflow starts."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any

from airflow.listeners import hookimpl

from airflow_emrs_ext.triggers._compat import TRIGGERS_ARE_FORKED

log: logging.Logger = logging.getLogger(__name__)

# How long after its start a triggerer looks after what others have left, and how often from then on, in seconds.
_FIRST_SECONDS = 10.0
_EVERY_SECONDS = 300.0


@hookimpl
def on_starting(component: Any) -> None:
    """Look after what triggerers have left, now and then for as long as this one runs."""
    # Airflow calls this before the component knows its type; each task of Airflow 2 is a component, too.
    if "triggerer" not in sys.argv:
        return
    # All that a look needs is imported now: two threads that import at once may each find half a module, and one of
    # them would be Airflow's own. What loads this module for nothing pays for none of it.
    import airflow_emrs_ext.triggers.recovery
    import airflow_emrs_ext.triggers.runner  # noqa: F401 - the thread uses both

    looking = threading.Thread(target=_look, args=[component], name="emrs_ext journal", daemon=True)

    def start() -> None:
        if looking.ident is None:
            looking.start()

    if TRIGGERS_ARE_FORKED:
        # The triggerer is about to fork, and a process that forks must have no second thread.
        os.register_at_fork(after_in_parent=start)
    else:
        start()


def _look(component: Any) -> None:
    pause = _FIRST_SECONDS
    while not threading.Event().wait(pause):
        if component.job_type != "TriggererJob":
            return
        from airflow_emrs_ext.triggers.recovery import look_after_what_was_left

        try:
            look_after_what_was_left()
        except Exception:
            # The database or the folder may be away for a while; the triggerer has nothing to do with it.
            log.exception("The journal of deferred tasks cannot be worked off at the moment")
        pause = _EVERY_SECONDS
