"""The form of ``executionIamPolicy``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.iam_policies import check_form

_POLICY_ARN = re.compile(r"arn:aws[a-zA-Z0-9-]*:iam::(aws|[0-9]{12}):policy/[\w+=,.@/-]+")

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
        document: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise validation_error(f"{POLICY}: is not JSON: {error}") from None
    try:
        check_form(document, POLICY)
    except ValueError as error:
        raise validation_error(str(error)) from None
    return document
