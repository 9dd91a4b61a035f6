"""Spark properties past the number that a classification may have, given as options of spark-submit instead."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from airflow_emrs_ext.aws.request_values import load_model
from airflow_emrs_ext.core.lineage import PARAMETERS, SPARK_DEFAULTS, spark_driver
from airflow_emrs_ext.core.redaction import hidden


def within_limit(service: str, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A request to start a job run whose ``spark-defaults`` have no more properties than the service takes.

    What is past that stands before the options that the user has given, so that these win as ever. Secrets stay.

    :param service: botocore's name of the service
    :param request: in snake case, with members in the API's form
    :return: the request, and the names of the properties that have become options
    """
    overrides = request.get("configuration_overrides") or {}
    configurations = overrides.get("applicationConfiguration") or []
    own: Mapping[str, Any] = next((one for one in configurations if one.get("classification") == SPARK_DEFAULTS), {})
    properties: Mapping[str, str] = own.get("properties") or {}
    limit = load_model(service).shape_for("SensitivePropertiesMap").metadata["max"]
    driver, given = spark_driver(request)
    if len(properties) <= limit or driver is None:
        return dict(request), []
    ranked = sorted(properties, key=lambda name: hidden(properties[name], name) == properties[name])
    kept, moved = set(ranked[:limit]), ranked[limit:]
    words = [word for name in moved for word in ("--conf", f"{name}={properties[name]}")]
    parameters = f"{shlex.join(words)} {given.get(PARAMETERS[driver], '')}".strip()
    rest = {**own, "properties": {name: value for name, value in properties.items() if name in kept}}
    return {
        **request,
        "job_driver": {driver: {**given, PARAMETERS[driver]: parameters}},
        "configuration_overrides": {
            **overrides,
            "applicationConfiguration": [rest if one is own else one for one in configurations],
        },
    }, moved
