"""What a report says of a job run beside what describes it: its attempts, where its logs are, what it runs on.

Each service tells that in its own way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from airflow_emrs_ext.aws import ec2, serverless
from airflow_emrs_ext.core.effects import Effects, RunContext
from airflow_emrs_ext.exceptions import EmrError
from airflow_emrs_ext.resources import EKS_JOB_RUN, JOB_RUN, STEP, JobRunKind, attempt_facts, price_facts
from airflow_emrs_ext.shared.states import State
from airflow_emrs_ext.workflows.lifecycle import REPORT_SECONDS, Facts, with_timeout

# How old what is known of an application may be, in seconds; what it has for defaults is changed while it is at rest.
_RECENT_SECONDS = 60.0
_OF_ATTEMPT = ("attempt", "state", "state_details", "created_at", "updated_at", "flex_execution")


def report(ctx: RunContext, kind: JobRunKind[State], facts: Facts) -> Effects[Facts]:
    """``facts`` with the attempts and the log locations, defaults of what it runs on included.

    What may not be read is left out: the outcome of the run is worth more than its decoration.
    """
    brief = with_timeout(ctx, REPORT_SECONDS)
    attempts: list[Facts] = []
    about: Facts = {}
    try:
        attempts = yield from _ATTEMPTS[kind.key](brief, facts)
        about = yield from _ABOUT[kind.key](brief, facts)
    except (EmrError, LookupError, TypeError, ValueError, AttributeError) as error:
        # Whatever is wrong with an answer: the outcome of the job run is known.
        ctx.log.warning("The report on %s is incomplete: %s", kind.label(kind.pick(facts)), error)
    defaults = about.pop("monitoring_configuration", {})
    for attempt in attempts:
        attempt["log_locations"] = kind.log_locations({**facts, "attempt": attempt["attempt"]}, defaults)
    return {
        **facts,
        **about,
        "attempts": attempts,
        "log_locations": kind.log_locations(facts, defaults),
        "diagnosis": None,
        "driver_logs": [],
    }


def defaults_of(ctx: RunContext, kind: JobRunKind[State], ids: Mapping[str, str]) -> Effects[Mapping[str, Any]]:
    """The MonitoringConfiguration of what a job run runs on; what may not be read counts as none."""
    try:
        about = yield from _ABOUT[kind.key](ctx, ids)
    except EmrError as error:
        ctx.log.warning("Whether %s has logs is not known: %s", kind.label(ids), error)
        return {}
    monitoring: Mapping[str, Any] = about["monitoring_configuration"]
    return monitoring


def _attempts_listed(ctx: RunContext, facts: Mapping[str, Any]) -> Effects[list[Facts]]:
    """The attempts of EMR Serverless: of more than one, ListJobRunAttempts tells."""
    if facts["attempt"] == 1:
        return [_latest(facts)]
    listed = yield from serverless.list_job_run_attempts(ctx, facts["application_id"], facts["job_run_id"])
    return sorted((attempt_facts(attempt) for attempt in listed), key=lambda attempt: attempt["attempt"])


def _about_application(ctx: RunContext, facts: Mapping[str, Any]) -> Effects[Facts]:
    """The application of EMR Serverless (GetApplication)."""
    application = yield from _recent(ctx, facts["application_id"], serverless.get_application)
    return {
        **price_facts(application, facts),
        "monitoring_configuration": application.get("monitoringConfiguration", {}),
    }


def _attempts_counted(ctx: RunContext, facts: Mapping[str, Any]) -> Effects[list[Facts]]:
    """The attempts of EMR on EKS, which counts them: those before the latest have failed; a step has one."""
    yield from ()
    last = _latest(facts)
    failed = {**last, "state": str(EKS_JOB_RUN.failure), "state_details": "", "updated_at": facts["created_at"]}
    return [*({**failed, "attempt": number} for number in range(1, facts["attempt"])), last]


def _latest(facts: Mapping[str, Any]) -> Facts:
    """The latest attempt, as it is described with its job run."""
    return {name: facts[name] for name in _OF_ATTEMPT if name in facts}


def _about_virtual_cluster(ctx: RunContext, facts: Mapping[str, Any]) -> Effects[Facts]:
    """The virtual cluster of EMR on EKS, which has no defaults for its job runs."""
    yield from ()
    return {"monitoring_configuration": {}}


def _about_cluster(ctx: RunContext, facts: Mapping[str, Any]) -> Effects[Facts]:
    """The cluster of EMR on EC2 (DescribeCluster), which says where logs go."""
    cluster = yield from _recent(ctx, facts["cluster_id"], ec2.describe_cluster)
    return {"monitoring_configuration": {"log_uri": cluster.get("LogUri")}}


def _recent(
    ctx: RunContext, own_id: str, ask: Callable[[RunContext, str], Effects[dict[str, Any]]]
) -> Effects[dict[str, Any]]:
    """What describes a place: hundreds of job runs of one ask for it once in a minute."""
    heard_at, heard = ctx.recent.get(own_id, (-math.inf, None))
    described: dict[str, Any] | None = heard
    if described is None or ctx.clock() - heard_at > _RECENT_SECONDS:
        described = yield from ask(ctx, own_id)
        ctx.recent[own_id] = (ctx.clock(), described)
    return described


_ATTEMPTS: Mapping[str, Callable[[RunContext, Mapping[str, Any]], Effects[list[Facts]]]] = {
    JOB_RUN.key: _attempts_listed,
    EKS_JOB_RUN.key: _attempts_counted,
    STEP.key: _attempts_counted,
}
_ABOUT: Mapping[str, Callable[[RunContext, Mapping[str, Any]], Effects[Facts]]] = {
    JOB_RUN.key: _about_application,
    EKS_JOB_RUN.key: _about_virtual_cluster,
    STEP.key: _about_cluster,
}
