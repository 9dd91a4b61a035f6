"""Job templates: what StartJobRun needs, with parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from botocore.model import ServiceModel

from airflow_emrs_ext.local.base.collection import Registry
from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.lifecycle import now
from airflow_emrs_ext.local.base.naming import caller_arn
from airflow_emrs_ext.local.base.pagination import created_within, page
from airflow_emrs_ext.local.base.tags import check_tags
from airflow_emrs_ext.local.base.views import filled
from airflow_emrs_ext.local.protocol.validation import Reader
from airflow_emrs_ext.local.services.emr_containers.naming import job_template_arn, new_numbered_id
from airflow_emrs_ext.local.services.emr_containers.submission import TEMPLATED, check_job_driver

_PLACEHOLDER = re.compile(r"\$\{([.\-_#A-Za-z0-9]+)\}")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_PARAMETERS = "jobTemplateParameters"


@dataclass
class JobTemplate:
    """One job template.

    :param params: the request that made it
    """

    id: str
    number: int
    params: Mapping[str, Any]
    tags: dict[str, str]
    view: dict[str, Any]
    """The ``JobTemplate`` structure, but for the tags."""


class JobTemplates(Registry[JobTemplate]):
    """All job templates of the account; see also :class:`~.collection.Registry`.

    :param model: the API model, whose constraints hold for what a template comes to
    """

    NOUN: ClassVar[str] = "Job template"

    def __init__(self, config: ServiceConfig, model: ServiceModel) -> None:
        super().__init__(config)
        self._model = model
        self._made = 0

    def restore(self, kept: Mapping[str, JobTemplate]) -> None:
        """Go on with what was there in another process."""
        super().restore(kept)
        self._made = 1 + max((template.number for template in self), default=-1)

    def create(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """CreateJobTemplate."""
        check_tags(params.get("tags") or {})
        data = params["jobTemplateData"]
        check_tags(data.get("jobTags") or {})
        check_job_driver(data["jobDriver"])
        for name, parameter in (data.get("parameterConfiguration") or {}).items():
            if "defaultValue" in parameter:
                _check_type(
                    parameter,
                    parameter["defaultValue"],
                    f"jobTemplateData.parameterConfiguration.{name}.defaultValue",
                )
        job_template_id = new_numbered_id()
        template = JobTemplate(
            id=job_template_id,
            number=self._made,
            params=params,
            tags=dict(params.get("tags") or {}),
            view=filled(
                id=job_template_id,
                name=params["name"],
                arn=job_template_arn(self._config, job_template_id),
                createdAt=now(),
                createdBy=caller_arn(self._config),
                jobTemplateData=data,
                kmsKeyArn=params.get("kmsKeyArn"),
            ),
        )
        self._made += 1
        self._by_id[job_template_id] = template
        return {name: template.view[name] for name in ("id", "name", "arn", "createdAt")}

    def view(self, template: JobTemplate) -> dict[str, Any]:
        """The ``JobTemplate`` structure."""
        return {**template.view, "tags": dict(template.tags)}

    def page(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """ListJobTemplates: newest first."""
        return page(
            "templates",
            (template for template in self if created_within(template.view["createdAt"], params)),
            params,
            place=lambda template: (-template.number,),
            view=self.view,
        )

    def delete(self, template: JobTemplate) -> None:
        """DeleteJobTemplate: the job runs that it made go on."""
        del self._by_id[template.id]

    def instantiate(self, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the job template of a StartJobRun request comes to.

        :param params: the request, with or without ``jobTemplateId``
        :return: ``executionRoleArn``, ``releaseLabel``, ``jobDriver``, perhaps ``configurationOverrides``, and
            ``jobTags``; ``None`` without a template
        :raises ApiError: there is no such template; a parameter is missing, unknown or of the wrong type, or its value
            is none for its place
        """
        if not params.get("jobTemplateId"):
            return None
        template = self.get(params["jobTemplateId"])
        for name in TEMPLATED:
            if params.get(name):
                # Whether the service lets the request win is not known; both at once are a mistake more often.
                raise validation_error(f"{name}: comes from the job template {template.id}")
        data = template.params["jobTemplateData"]
        values = _values(template, params.get(_PARAMETERS) or {})
        filled_in = {name: _substitute(data[name], values) for name in TEMPLATED if name in data}
        reader = Reader()
        request = self._model.operation_model("StartJobRun").input_shape
        assert request is not None
        for name, value in filled_in.items():
            reader.read(request.members[name], value, name)
        reader.raise_problems()
        return {**filled_in, "jobTags": _substitute(data.get("jobTags") or {}, values)}


def _values(template: JobTemplate, given: Mapping[str, str]) -> dict[str, str]:
    """The value of each parameter of a job template."""
    data = template.params["jobTemplateData"]
    declared: Mapping[str, Mapping[str, str]] = data.get("parameterConfiguration") or {}
    used = _placeholders([data[name] for name in (*TEMPLATED, "jobTags") if name in data])
    known = sorted({*declared, *used})
    for name in given:
        if name not in known:
            raise validation_error(
                f"{_PARAMETERS}.{name}: job template {template.id} has no such parameter; it has"
                f" {', '.join(known) or 'none'}"
            )
    values = {name: one["defaultValue"] for name, one in declared.items() if "defaultValue" in one} | dict(given)
    for name in sorted(used):
        if name not in values:
            raise validation_error(
                f"{_PARAMETERS}.{name}: is required: job template {template.id} has no default for it"
            )
    for name, value in given.items():
        _check_type(declared.get(name, {}), value, f"{_PARAMETERS}.{name}")
    return values


def _check_type(parameter: Mapping[str, str], value: str, member: str) -> None:
    if parameter.get("type") == "NUMBER" and not _NUMBER.fullmatch(value):
        raise validation_error(f"{member}: must be a number, as the parameter is a NUMBER, not {value!r}")


def _placeholders(value: Any) -> set[str]:
    if isinstance(value, str):
        return set(_PLACEHOLDER.findall(value))
    if isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    return set().union(*map(_placeholders, value)) if isinstance(value, list) else set()


def _substitute(value: Any, values: Mapping[str, str]) -> Any:
    """A copy in which each ``${name}`` is replaced, in keys as well."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: values[match[1]], value)
    if isinstance(value, Mapping):
        return {_substitute(key, values): _substitute(inner, values) for key, inner in value.items()}
    return [_substitute(inner, values) for inner in value] if isinstance(value, list) else value
