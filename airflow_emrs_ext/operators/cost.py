"""An operator that adds up what a DAG run is billed for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.aws.ownership_tags import TaskIdentity, owner, owner_tags
from airflow_emrs_ext.core import cost, settings
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.operators._base.connection import aws_template_fields
from airflow_emrs_ext.operators._base.operator import EmrServerlessOperator, id_of

if TYPE_CHECKING:
    from airflow_emrs_ext.core.effects import Steps, Terms
    from airflow_emrs_ext.resources import OwnedKind
    from airflow_emrs_ext.shared.states import State

# How far the clocks of Airflow and of the service may be apart.
_SKEW = timedelta(minutes=5)

# What tags name that is the same for each task of a DAG run.
_OF_DAG_RUN = ("dag_id", "run_id", "deployment")


class EmrServerlessCostOperator(EmrServerlessOperator):
    """Add up what the job runs and sessions of this DAG run are billed for, those of failed and mapped tries included.

    They are found by their tags (``[emrs_ext] default_tags``), with the operator's own connection and Region. Give the
    task ``trigger_rule="all_done"`` and let it come last: the service tells the figures of what is over. Costs one
    GetJobRun or GetSession for each job run and session that the applications have started since the DAG run began.

    :param application_ids: which applications to look at, ids or results that contain one; default: all
    :raises ConfigurationError: ``[emrs_ext] default_tags`` is off
    :return: ``billed_resource_utilization`` (``vcpu_hour``, ``memory_gb_hour``, ``storage_gb_hour``), ``cost``
        (``amount``, ``currency``; ``None`` where a price is not known, see ``[emrs_ext] prices``), ``unbilled`` (how
        many have no figures yet), and ``parts``: a list with ``task_id``, ``map_index`` (of an iteration of a
        loop, too, which has a ``region_id``), ``kind`` (``job_run``, ``session``), ids, ``state`` and the figures of
        each
    """

    template_fields: Sequence[str] = aws_template_fields("application_ids")

    def __init__(self, *, application_ids: Iterable[Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.application_ids = application_ids

    def act(self, context: Context) -> dict[str, Any]:
        """Look at each application in turn, and add up."""
        from airflow_emrs_ext.resources import owned_in

        if not settings.default_tags():
            raise ConfigurationError("Nothing can be found by its tags: set [emrs_ext] default_tags to True.")
        terms = replace(self.hook.terms, log=self.log)
        identity = TaskIdentity.of(context)
        began = context["dag_run"].start_date or context["ti"].start_date
        parts: list[dict[str, Any]] = []
        for application_id in self._application_ids():
            architecture = self.hook.get_application(application_id).get("architecture")
            for kind in owned_in("application_id"):
                found = self.hook.run(_started_by(terms, kind, application_id, identity, began - _SKEW))
                parts += [_part(kind, {**facts, "architecture": architecture}) for facts in found]
        summed = {**cost.total(parts), "parts": parts}
        if summed["unbilled"]:
            self.log.warning("%d of %d have no figures yet", summed["unbilled"], len(parts))
        self.log.info("%d job runs and sessions of %s: %s", len(parts), identity.run_id, cost.in_words(summed))
        return summed

    def _application_ids(self) -> list[str]:
        if self.application_ids is not None:
            return [id_of(given, "application_id") for given in self.application_ids]
        return [str(one["id"]) for one in self.hook.list_applications()]


def _started_by(
    terms: Terms, kind: OwnedKind[State], application_id: str, identity: TaskIdentity, began: datetime
) -> Steps[list[dict[str, Any]]]:
    """What the tasks of a DAG run have started on an application since it began."""
    from airflow_emrs_ext.aws.dispatch import listing_of
    from airflow_emrs_ext.aws.waiting import look

    wanted = _of_dag_run(identity.tags)
    found = []
    for entry in (yield from listing_of(kind)(terms, application_id, created_at_after=began)):
        facts = (yield from look(kind, kind.ids_of(entry), terms)).facts
        if _of_dag_run(facts["tags"]) == wanted:
            found.append(facts)
    return found


def _of_dag_run(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that are the same for each task of a DAG run."""
    return {name: value for name, value in owner_tags(tags).items() if name.rpartition(":")[2] in _OF_DAG_RUN}


def _part(kind: OwnedKind[State], facts: dict[str, Any]) -> dict[str, Any]:
    task = owner(facts["tags"])
    return {
        "task_id": None,
        **{name: value for name, value in task.items() if name not in _OF_DAG_RUN},
        "map_index": int(task.get("map_index", -1)),
        "kind": kind.key,
        **{name: facts[name] for name in (*kind.id_names, "state", "billed_resource_utilization")},
        "cost": cost.estimate(facts),
    }
