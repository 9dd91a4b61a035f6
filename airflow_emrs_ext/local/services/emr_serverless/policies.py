"""The form of ``executionIamPolicy``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from airflow_emrs_ext.local.base.errors import validation_error

_POLICY_ARN = re.compile(r"arn:aws[a-zA-Z0-9-]*:iam::(aws|[0-9]{12}):policy/[\w+=,.@/-]+")
_VERSIONS = ("2012-10-17", "2008-10-17")
_STATEMENT = {
    "Sid",
    "Effect",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}

POLICY = "executionIamPolicy.policy"


def effective_policy(role_arn: str, execution_iam_policy: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a job run may do: the intersection of its role's permissions and of everything named here.

    :param role_arn: ``executionRoleArn``
    :param execution_iam_policy: ``executionIamPolicy`` in the API's form
    :return: ``executionRoleArn``, ``policy`` (the document, ``None`` without one) and ``policyArns``
    :raises ApiError: the policy or an ARN has not the form that IAM demands; the member is named
    """
    given = execution_iam_policy or {}
    arns = list(given.get("policyArns") or ())
    for index, arn in enumerate(arns, start=1):
        if not _POLICY_ARN.fullmatch(arn):
            raise validation_error(
                f"executionIamPolicy.policyArns.{index}: {arn!r} is not the ARN of a policy,"
                " arn:aws:iam::ACCOUNT:policy/NAME"
            )
    policy = given.get("policy")
    return {
        "executionRoleArn": role_arn,
        "policy": None if policy is None else _document(policy),
        "policyArns": arns,
    }


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise validation_error(f"{POLICY}: is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise validation_error(f"{POLICY}: must be a JSON object with Version and Statement")
    if unknown := sorted(document.keys() - {"Version", "Id", "Statement"}):
        raise validation_error(f"{POLICY}: a policy has no element {unknown[0]}")
    if document.get("Version") not in _VERSIONS:
        raise validation_error(f"{POLICY}: Version must be {' or '.join(_VERSIONS)}")
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise validation_error(f"{POLICY}: Statement must be a statement or a list of at least one")
    for index, statement in enumerate(statements, start=1):
        _check_statement(statement, f"{POLICY}: Statement {index}")
    return document


def _check_statement(statement: Any, where: str) -> None:
    if not isinstance(statement, dict):
        raise validation_error(f"{where}: must be a JSON object")
    if unknown := sorted(statement.keys() - _STATEMENT):
        raise validation_error(f"{where}: an execution policy's statement has no element {unknown[0]}")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise validation_error(f"{where}: Effect must be Allow or Deny")
    for name in ("Action", "Resource"):
        given = [key for key in (name, f"Not{name}") if key in statement]
        if len(given) != 1:
            raise validation_error(f"{where}: must have either {name} or Not{name}")
        values = statement[given[0]]
        values = [values] if isinstance(values, str) else values
        if not isinstance(values, list) or not values or not all(isinstance(v, str) and v for v in values):
            raise validation_error(f"{where}: {given[0]} must be a string or a list of strings")
    if not isinstance(statement.get("Condition", {}), dict):
        raise validation_error(f"{where}: Condition must be a JSON object")
