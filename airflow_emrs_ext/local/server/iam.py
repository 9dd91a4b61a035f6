"""IAM: who calls, and whether the policies of that caller allow what an operation needs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from botocore.model import ServiceModel

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.iam_policies import TAG_KEYS, Access, Statement, Verdict, read_policy, verdict
from airflow_emrs_ext.local.base.naming import arn_prefix
from airflow_emrs_ext.local.base.regions import region_of
from airflow_emrs_ext.local.protocol.rest_json import Route

_PASS_ROLE = "iam:PassRole"
_SYSTEM_PROFILE_LOGS = "AccessSystemProfileLogs"
# Who an execution role is passed to. EMR on EKS asks for the condition key ExecutionRoleArn instead: it passes a role
# only where the cluster has EKS Pod Identity, which there is none of here.
_PASSING = {"emr-serverless": "emr-serverless.amazonaws.com"}

_ARN = re.compile(r"arn:aws[a-z-]*:(?:iam::(\d{12}):user|sts::(\d{12}):assumed-role/[^/]+)/.+")
_ACCESS_KEY_ID = re.compile(r"\w+")


class Known(Protocol):
    """What a service knows that a request does not say."""

    def tags_of(self, arn: str) -> Mapping[str, str]:
        """The tags of what has the ARN, none where there is nothing."""

    def resources_of(self, params: Mapping[str, Any]) -> Sequence[str]:
        """The ARNs of what a request is about, where its path does not say it."""

    def role_of(self, params: Mapping[str, Any]) -> str | None:
        """The execution role that a request asks for, ``None``: it asks for none."""


class IamError(ValueError):
    """Callers and policies that cannot be used; the place and what to do are named."""


@dataclass(frozen=True)
class Caller:
    """Who calls.

    :param arn: a user or an assumed role
    :param statements: those of all policies
    """

    arn: str
    statements: tuple[Statement, ...]


class Iam:
    """The callers and their policies.

    :param config: the account, and the Region of requests
    :param models: the API models of the services whose operations are checked
    :param callers: by access key id; ``None``: nobody is asked who they are
    """

    def __init__(self, config: ServiceConfig, models: Iterable[ServiceModel]) -> None:
        self._config = config
        operations = {f"{model.signing_name}:{name}" for model in models for name in model.operation_names}
        self._actions = {*operations, _PASS_ROLE, f"emr-serverless:{_SYSTEM_PROFILE_LOGS}"}
        self.callers: Mapping[str, Caller] | None = None

    def load(self, path: Path) -> None:
        """Know the callers of a file from now on.

        :raises IamError: it cannot be read, or something in it is not understood
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
        except OSError as error:
            raise IamError(f"{path}: {error.strerror}") from None
        # ValueError: not UTF-8, not JSON, or a member twice.
        except (ValueError, RecursionError) as error:
            raise IamError(f"{path}: cannot be read as JSON: {error}") from None
        try:
            self.set_callers(document)
        except IamError as error:
            raise IamError(f"{path}: {error}") from None

    def set_callers(self, document: Any) -> None:
        """Know other callers from now on.

        :param document: access key id to ``{"arn": …, "policy": …}``
        :raises IamError: something in it is not understood; the callers stay those that they were
        """
        if not isinstance(document, dict):
            raise IamError('must be a JSON object of access key ids, each with {"arn": …, "policy": …}')
        try:
            self.callers = {name: self._read(given, name) for name, given in document.items()}
        except ValueError as error:
            raise IamError(str(error)) from None

    def caller(self, access_key_id: str) -> Caller | None:
        """Who signs with a key, ``None`` while nobody is asked.

        :raises ApiError: nobody has the key
        """
        if self.callers is None:
            return None
        try:
            return self.callers[access_key_id]
        except KeyError:
            raise ApiError(
                "UnrecognizedClientException", "The security token included in the request is invalid."
            ) from None

    def check(self, caller: Caller, route: Route, params: Mapping[str, Any], known: Known) -> None:
        """Refuse what a caller may not do.

        :param route: the operation, and the labels of its path
        :param params: its validated parameters
        :param known: tags of resources, roles of job templates
        :raises ApiError: AccessDeniedException, with the first action that is not allowed
        """
        for access in self._needed(caller, route, params, known):
            found = verdict(caller.statements, access)
            if found is not Verdict.ALLOWED:
                raise ApiError(
                    "AccessDeniedException",
                    f"User: {caller.arn} is not authorized to perform: {access.action} on resource: {access.resource}"
                    f" {found.value.format(action=access.action)}",
                )

    def _read(self, given: Any, name: str) -> Caller:
        if not _ACCESS_KEY_ID.fullmatch(name):
            raise ValueError(f"{name!r}: is no access key id: letters, digits and _ only")
        if not isinstance(given, dict) or given.keys() != {"arn", "policy"}:
            raise ValueError(f'{name}: must be {{"arn": …, "policy": …}}')
        found = _ARN.fullmatch(given["arn"]) if isinstance(given["arn"], str) else None
        if not found or (found[1] or found[2]) != self._config.account_id:
            account = self._config.account_id
            raise ValueError(
                f"{name}: arn: must be that of a user, arn:aws:iam::{account}:user/NAME, or of an assumed role,"
                f" arn:aws:sts::{account}:assumed-role/ROLE/SESSION, of this endpoint's account, not {given['arn']!r}"
            )
        policies = given["policy"] if isinstance(given["policy"], list) else [given["policy"]]
        places = [f"{name}: policy" if len(policies) == 1 else f"{name}: policy {n + 1}" for n in range(len(policies))]
        statements = [read_policy(one, at, self._actions) for one, at in zip(policies, places, strict=True)]
        return Caller(given["arn"], tuple(statement for one in statements for statement in one))

    def _needed(self, caller: Caller, route: Route, params: Mapping[str, Any], known: Known) -> Iterator[Access]:
        """What an operation needs, as the service authorization reference has it."""
        name, service = route.operation.name, str(route.operation.service_model.signing_name)
        prefix = arn_prefix(self._config, service)
        template = f"{prefix}:/jobtemplates/{params.get('jobTemplateId')}"
        role = known.role_of(params)
        context: dict[str, Sequence[str]] = {
            "aws:principalaccount": (caller.arn.split(":")[4],),
            "aws:requestedregion": (region_of(self._config),),
            "aws:viaawsservice": ("false",),
        }
        tags: Mapping[str, str] = params.get("tags") or {}
        request = {
            **context,
            **_tag_keys(service, "request", tags),
            TAG_KEYS.lower(): tuple(tags or params.get("tagKeys", ())),
            f"{service}:executionrolearn": (role,) if role else (),
            "emr-containers:jobtemplatearn": (template,) if "jobTemplateId" in params else (),
        }

        def of_service(action: str, resource: str) -> Access:
            of_resource = _tag_keys(service, "resource", known.tags_of(resource))
            return Access(f"{service}:{action}", resource, {**request, **_account(resource), **of_resource})

        path, collection = _place(route)
        named = known.resources_of(params)
        for resource in named[1:]:
            yield of_service(name, resource)
        if named:
            resource = named[0]
        elif "resourceArn" in params:
            resource = params["resourceArn"]
        elif name == "GetResourceDashboard":
            resource = f"{prefix}:{path}/sessions/{params['resourceId']}"
        else:
            resource = f"{prefix}:{path or '/*'}" if collection else "*"
        yield of_service(name, resource)
        if tags and "resourceArn" not in params:
            # What is made has no id yet.
            yield of_service("TagResource", f"{prefix}:{path}/{collection}/*")
        if role and service in _PASSING:
            yield Access(_PASS_ROLE, role, {**context, **_account(role), "iam:passedtoservice": (_PASSING[service],)})
        if "jobTemplateId" in params:
            yield of_service("DescribeJobTemplate", template)
        if name == "GetDashboardForJobRun" and params.get("accessSystemProfileLogs"):
            yield of_service(_SYSTEM_PROFILE_LOGS, resource)


def _place(route: Route) -> tuple[str, str]:
    """The resource that the path of an operation names, and the path's last part: in both services an ARN ends with it.

    The path ``/applications/{applicationId}/jobruns`` is in the application, ``…/jobruns/{jobRunId}/attempts`` in the
    job run.
    """
    parts = route.operation.http["requestUri"].partition("?")[0].split("/")[1:]
    pairs = zip(parts[::2], parts[1::2], strict=False)
    named = [(kind, route.labels[label.strip("{}")]) for kind, label in pairs if label.startswith("{")]
    # EMR on EKS takes an ARN for an id, too.
    return "".join(f"/{kind}/{value.rpartition('/')[2]}" for kind, value in named), parts[-1]


def _tag_keys(service: str, of: str, tags: Mapping[str, str]) -> dict[str, Sequence[str]]:
    # The user guide of EMR Serverless has them with the service's own prefix, too.
    prefixes = ("aws", service) if service in _PASSING else ("aws",)
    return {f"{prefix}:{of}tag/{key.lower()}": (value,) for prefix in prefixes for key, value in tags.items()}


def _account(resource: str) -> dict[str, Sequence[str]]:
    return {} if resource == "*" else {"aws:resourceaccount": (resource.split(":")[4],)}


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in members]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{repeated[0]!r} is there twice")
    return dict(members)
