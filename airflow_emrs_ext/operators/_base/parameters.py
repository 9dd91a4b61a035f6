"""The parameters of operators and sensors as tasks have them: rendered by templates, taken from XComs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

from airflow_emrs_ext.core.values import (
    as_flag,
    as_number,
    as_text,
    as_whole_number,
    is_undefined,
    list_of,
    parsed,
    shown,
    wrong,
)
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.shared.states import State

StateT = TypeVar("StateT", bound=State)


class _Form(NamedTuple):
    """What an id looks like, and how that is said."""

    pattern: re.Pattern[str]
    said: str


_ID = _Form(re.compile(r"[0-9a-z]{1,64}"), "those have lower-case letters and digits only")

# Of ids that look otherwise.
_FORMS: Mapping[str, _Form] = {
    "step_id": _Form(re.compile(r"s-[0-9A-Z]{1,254}"), "those look like s-2AXXXXXXGAPLF"),
    "cluster_id": _Form(re.compile(r"j-[0-9A-Z]{1,254}"), "those look like j-2AXXXXXXGAPLF"),
    # The API says of those of EMR on EC2 no more than how long they are.
    "cluster_session_id": _Form(re.compile(r"[^\s/:]{1,256}"), "those have no spaces, slashes and colons"),
}

# What lists the ids and the names of each.
_LISTINGS: Mapping[str, str] = {
    "application_id": "`aws emr-serverless list-applications`",
    "session_id": "`list-sessions` of `aws emr-serverless` or `aws emr`",
    "cluster_id": "`aws emr list-clusters`",
    "step_id": "`aws emr list-steps`",
    "virtual_cluster_id": "`aws emr-containers list-virtual-clusters`",
    "endpoint_id": "`aws emr-containers list-managed-endpoints`",
    "job_template_id": "`aws emr-containers list-job-templates`",
    "job_run_id": "`list-job-runs` of `aws emr-serverless` or `aws emr-containers`",
}


def id_of(value: Any, key: str, source: str = "", form: str | None = None) -> str:
    """An id, given as such, or as the result that contains it: a mapping, or its text as JSON or as Python writes it.

    :param key: the parameter, and the id's name in a result
    :param source: the template or reference that the value comes from
    :param form: what it looks like; default: as ids of ``key`` do
    :raises ConfigurationError: it is neither
    """
    given = parsed(value) if isinstance(value, str) else value
    if isinstance(given, Mapping) and key not in given:
        raise ConfigurationError(
            f"`{key}` is {shown(value, key)}: there is no {key!r} in it. Give the id, or a result that contains it."
        )
    found = given[key] if isinstance(given, Mapping) else value
    if found is None or is_undefined(found) or (isinstance(found, str) and found in ("", "None")):
        raise ConfigurationError(
            f"`{key}` is {found!r}: {source or 'what it is to be taken from'} gave nothing. The task that it names has "
            "not run, was skipped, or returns something else: give the id, or the result of an operator that has it."
        )
    if not isinstance(found, str):
        raise wrong(found, key, f"an id, or a result that contains {key!r}")
    pattern, said = _FORMS.get(form or key, _ID)
    if not pattern.fullmatch(found):
        raise ConfigurationError(
            f"`{key}` is {shown(found, key)}, which is no id: {said}. {_LISTINGS[key]} tells the ids of names."
        )
    return found


def source_of(operator: Any, name: str) -> str:
    """The template or reference of the DAG file that a parameter was rendered from; empty: it is not known."""
    with suppress(Exception):
        value = getattr(operator.dag.get_task(operator.task_id), name)
        if hasattr(value, "resolve") or (isinstance(value, str) and "{" in value):
            return str(value)
    return ""


def seconds(duration: timedelta | float | str, parameter: str) -> float:
    """A duration in seconds.

    :raises ConfigurationError: it is none
    """
    number = duration.total_seconds() if isinstance(duration, timedelta) else as_number(duration)
    if number is None or not number >= 0:
        raise wrong(duration, parameter, "a timedelta, or seconds; 0 or more")
    return number


def text_of(value: Any, parameter: str, source: str = "") -> str:
    """A text that is not to be missing.

    :param source: the template or reference that the value comes from
    :raises ConfigurationError: it is none, or empty
    """
    text = as_text(value)
    if text in (None, "", "None"):
        if value is None or text is not None:
            raise ConfigurationError(
                f"`{parameter}` is {value!r}: {source or 'what it is to be taken from'} gave nothing. It takes a text."
            )
        raise wrong(value, parameter, "a text")
    return str(text)


def whole_number(value: Any, parameter: str) -> int | None:
    """A whole number; ``None`` stays.

    :raises ConfigurationError: it is none
    """
    number = None if value is None else as_whole_number(value)
    if number is None and value is not None:
        raise wrong(value, parameter, "a whole number")
    return number


def flag(value: Any, parameter: str) -> bool:
    """A flag, or its word.

    :raises ConfigurationError: it is none
    """
    found = as_flag(value)
    if found is None:
        raise wrong(value, parameter, "True or False")
    return found


def states_of(values: Any, states: type[StateT], parameter: str) -> list[StateT]:
    """A list of states.

    :raises ConfigurationError: one is none that is known
    """
    given = list_of(values, parameter)
    try:
        return [states(state) for state in given]
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"`{parameter}`: {error}; the states are {', '.join(states)}.") from None


def structure_of(value: Any, parameter: str) -> Mapping[str, Any]:
    """A structure of the API, or the text of one; ``None`` is an empty one.

    :raises ConfigurationError: it is none
    """
    given = parsed(value) if isinstance(value, str) else value
    if given is None and value is None:
        return {}
    if not isinstance(given, Mapping):
        raise wrong(value, parameter, "a mapping of the API's members")
    return given


def request_of(
    service: str,
    operation: str,
    config: Any,
    called: Mapping[str, str] = {},  # it is not changed
    /,
    **parameters: Any,
) -> dict[str, Any]:
    """The parameters of a request, in snake case, with values of the types that the service's model has.

    The client token is none of them: it is the operator's to give.

    :param service: botocore's name of the service
    :param operation: botocore's client method
    :param config: members in the API's own form, under what is given by name
    :param called: what the operator calls parameters that have other names in the API
    :param parameters: further members, in snake case; ``None`` leaves one out
    :raises ConfigurationError: a value is of the wrong kind, or there is no such member
    """
    from airflow_emrs_ext.aws.request_values import converted
    from airflow_emrs_ext.resources import APIS, tags_of

    own = structure_of(config, "config")
    api = APIS[service]
    named = {api.member(name): (called.get(name, name), value) for name, value in parameters.items()}
    members = {**own, **{name: value for name, (_, value) in named.items() if value is not None}}
    paths = {name: f"config.{name}" for name in own} | {
        name: path for name, (path, value) in named.items() if value is not None
    }
    request = converted(service, operation, members, paths)
    given = {_snake_case(name): value for name, value in request.items() if name != api.member(api.token)}
    return {**given, "tags": tags_of(given["tags"])} if "tags" in given else given


def require(request: Mapping[str, Any], *names: str) -> None:
    """Refuse a request that lacks what its operator cannot do without.

    :param names: of the parameters, in snake case
    :raises ConfigurationError: templates or references gave nothing for one of them
    """
    for name in names:
        if name not in request:
            raise wrong(None, name, "a value")


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
