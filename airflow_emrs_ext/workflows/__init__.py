"""What operators and sensors do after their request: whole procedures, driven by a worker or by the triggerer.

Each takes and returns plain JSON beside its terms, so that an operator names it (:data:`PROCEDURES`), either mode runs
it, and the outcome is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from airflow_emrs_ext.core.effects import Steps
    from airflow_emrs_ext.workflows.lifecycle import Facts

Procedure: TypeAlias = "Callable[..., Steps[Facts]]"

ShowDriverLogs = Literal["on_failure", "always", "live", "never"]
"""What the task log shows of the logs of a job run's driver."""


class _Named(Mapping[str, Procedure]):
    """Procedures by the names that operators give them; a DAG file, which runs none, imports none.

    :param places: module and function of each
    """

    def __init__(self, places: Mapping[str, tuple[str, str]]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> Procedure:
        module, function = self._places[name]
        procedure: Procedure = getattr(import_module(f"{__name__}.{module}"), function)
        return procedure

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


STARTED = "started"
"""The note of the ids of what a start has led to."""

ASKED = "asked"
"""The note that says whether this try has asked for a start, and when by the service's clock, if that is known."""

KILL_SECONDS = 86_400.0
"""How long the end of what a killed task has left is requested where Airflow does not hurry: hundreds of tasks that a
person ends at once are ended one per second."""

_MODULES: Mapping[str, tuple[str, ...]] = {
    "application": ("create_application", "start_application", "stop_application", "delete_application"),
    "idempotent_start": ("claim", "claim_owned", "abandon_claim"),
    "drain": ("delete_virtual_cluster",),
    "job_run": ("follow_job_run", "cancel_job_run", "request_cancellation"),
    "lifecycle": ("follow", "watch", "end", "abandon", "end_unowned"),
    "session": ("terminate_session",),
    "orphans": ("end_active_of_task",),
}

PROCEDURES: Mapping[str, Procedure] = _Named({name: (module, name) for module in _MODULES for name in _MODULES[module]})

CONCLUSIONS: Mapping[str, Procedure] = _Named({"follow_job_run": ("job_run", "conclude_job_run")})
"""What says all there is to say of an error that has ended the watch for a procedure."""

# The parameter of each procedure that waits and does nothing else, which says whether the end of its wait ends more.
_ENDS = {"follow": "end_on_timeout", "follow_job_run": "cancel_on_timeout"}


def watch_of(procedure: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments of :func:`~airflow_emrs_ext.workflows.lifecycle.watch` that wait for what a procedure waits for.

    :return: ``None``: the procedure does more than to wait
    """
    if procedure not in _ENDS or arguments.get("show_driver_logs") == "live":
        return None
    waited_for = {name: arguments[name] for name in ("kind", "ids", "target_states")}
    return {**waited_for, "end_on_timeout": arguments.get(_ENDS[procedure], False)}


def report_of(then: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The procedure and the arguments with which a trigger tells what a worker would, where the wait was a success.

    It ends nothing: of anything but a success the worker tells, and so it does where it shows a log.

    :param then: what the worker is told, with the procedure and the arguments that :func:`watch_of` was given
    """
    if not then or then.get("procedure") not in _ENDS:
        return None
    procedure, arguments = then["procedure"], {**then["arguments"], _ENDS[then["procedure"]]: False}
    if procedure == "follow_job_run":
        if arguments.get("show_driver_logs") == "always":
            return None
        arguments["show_driver_logs"] = "never"
    return {"procedure": procedure, "arguments": arguments}
