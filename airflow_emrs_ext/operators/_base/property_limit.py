"""Spark properties past the number that a classification may have, given as options of spark-submit instead."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from airflow_emrs_ext.aws.request_values import load_model
from airflow_emrs_ext.core.redaction import hidden

_DEFAULTS = "spark-defaults"
# The driver of each service that takes options as spark-submit does.
_PARAMETERS = "sparkSubmitParameters"


def within_limit(service: str, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A request to start a job run whose ``spark-defaults`` have no more properties than the service takes.

    What is past that stands before the options that the user has given, so that these win as ever. Secrets stay.

    :param service: botocore's name of the service
    :param request: in snake case, with members in the API's form
    :return: the request, and the names of the properties that have become options
    """
    overrides = request.get("configuration_overrides") or {}
    configurations = overrides.get("applicationConfiguration") or []
    own: Mapping[str, Any] = next((one for one in configurations if one.get("classification") == _DEFAULTS), {})
    properties: Mapping[str, str] = own.get("properties") or {}
    limit = load_model(service).shape_for("SensitivePropertiesMap").metadata["max"]
    job_driver: Mapping[str, Any] = request.get("job_driver") or {"": {}}
    driver, given = next(iter(job_driver.items()))
    if len(properties) <= limit or not driver.startswith("sparkSubmit"):
        return dict(request), []
    ranked = sorted(properties, key=lambda name: hidden(properties[name], name) == properties[name])
    kept, moved = set(ranked[:limit]), ranked[limit:]
    words = [word for name in moved for word in ("--conf", f"{name}={properties[name]}")]
    parameters = f"{shlex.join(words)} {given.get(_PARAMETERS, '')}".strip()
    rest = {**own, "properties": {name: value for name, value in properties.items() if name in kept}}
    return {
        **request,
        "job_driver": {driver: {**given, _PARAMETERS: parameters}},
        "configuration_overrides": {
            **overrides,
            "applicationConfiguration": [rest if one is own else one for one in configurations],
        },
    }, moved
