"""The persistent Spark UI of a job run of EMR on EKS, which another service leads to: Amazon EMR."""

from __future__ import annotations

from typing import Any

from airflow_emrs_ext.aws.retry import patiently
from airflow_emrs_ext.core.effects import Call, Effects, RunContext, Sleep
from airflow_emrs_ext.exceptions import RequestRejected

_READY = "ATTACHED"
_HISTORY_SERVER = "SHS"
_PAUSE_SECONDS = 1.0

# Those that were not ready at the last click: a page that loads itself again must not make another each time.
_pending: dict[tuple[str, str], str] = {}


def presigned_url(
    ctx: RunContext, /, virtual_cluster_arn: str, job_run_id: str, *, patience_seconds: float
) -> Effects[str | None]:
    """CreatePersistentAppUI, DescribePersistentAppUI, GetPersistentAppUIPresignedURL: a URL that is good once.

    :param patience_seconds: how long to wait for the UI
    :return: ``None``: it is not ready yet
    """
    key = (virtual_cluster_arn, job_run_id)
    until = ctx.clock() + patience_seconds
    known = _pending.pop(key, None)
    ui_id = known or (yield from _create(ctx, *key))
    try:
        while True:
            url = yield from _look(ctx, ui_id)
            if url is None and ctx.clock() + _PAUSE_SECONDS < until:
                yield Sleep(_PAUSE_SECONDS)
                continue
            break
    except RequestRejected:
        if known is None:
            raise
        return None  # the service has forgotten it: the next click makes another
    if url is None:
        _pending[key] = ui_id
    return url


def _create(ctx: RunContext, virtual_cluster_arn: str, job_run_id: str) -> Effects[str]:
    target = {"TargetResourceArn": virtual_cluster_arn, "EMRContainersConfig": {"JobRunId": job_run_id}}
    return str((yield from _call(ctx, "create_persistent_app_ui", **target))["PersistentAppUIId"])


def _look(ctx: RunContext, ui_id: str) -> Effects[str | None]:
    described = yield from _call(ctx, "describe_persistent_app_ui", PersistentAppUIId=ui_id)
    if described["PersistentAppUI"].get("PersistentAppUIStatus") != _READY:
        return None
    asked = {"PersistentAppUIId": ui_id, "PersistentAppUIType": _HISTORY_SERVER}
    answer = yield from _call(ctx, "get_persistent_app_ui_presigned_url", **asked)
    return str(answer["PresignedURL"]) if answer.get("PresignedURLReady") else None


def _call(ctx: RunContext, operation: str, **parameters: Any) -> Effects[dict[str, Any]]:
    return (yield from patiently(Call(operation, parameters, service="emr"), ctx))
