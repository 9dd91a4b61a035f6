from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.services.emr_serverless.policies import effective_policy

ROLE = "arn:aws:iam::123456789012:role/jobs"
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def policy(*statements: Any, **elements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **elements})


def test_none() -> None:
    assert effective_policy(ROLE, None) == {"executionRoleArn": ROLE, "policy": None, "policyArns": []}


@pytest.mark.parametrize(
    "text",
    [
        policy(STATEMENT),
        json.dumps({"Version": "2008-10-17", "Statement": STATEMENT}),
        policy({"Sid": "a", "Effect": "Deny", "NotAction": ["s3:*"], "NotResource": ["a", "b"]}, Id="x"),
        policy({**STATEMENT, "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}}),
    ],
)
def test_inline_policy(text: str) -> None:
    assert effective_policy(ROLE, {"policy": text})["policy"] == json.loads(text)


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::123456789012:policy/narrow",
        "arn:aws:iam::aws:policy/service-role/ReadOnly",
        "arn:aws-cn:iam::123456789012:policy/a/b",
    ],
)
def test_policy_arns(arn: str) -> None:
    assert effective_policy(ROLE, {"policyArns": [arn]})["policyArns"] == [arn]


@pytest.mark.parametrize(
    "arn", [ROLE, "narrow", "arn:aws:iam::12:policy/x", "arn:aws:s3:::policy/x", "arn:aws:iam::aws:policy/"]
)
def test_bad_arn(arn: str) -> None:
    good = "arn:aws:iam::aws:policy/ReadOnly"
    with pytest.raises(ApiError, match=r"executionIamPolicy.policyArns.2: .* is not the ARN of a policy"):
        effective_policy(ROLE, {"policyArns": [good, arn]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Allow all", "is not JSON"),
        ("[" * 2000, "is not JSON"),
        ("[]", "must be a JSON object"),
        (json.dumps({"Statement": [STATEMENT]}), "Version must be 2012-10-17 or 2008-10-17"),
        (policy(STATEMENT, Version="2020-01-01"), "Version must be"),
        (policy(), "Statement must be a statement or a list of at least one"),
        (policy(STATEMENT, Statement="x"), "Statement must be"),
        (policy(STATEMENT, Statements=[]), "a policy has no element Statements"),
        (policy(STATEMENT, "x"), "Statement 2: must be a JSON object"),
        (policy({**STATEMENT, "Effect": "allow"}), "Statement 1: Effect must be Allow or Deny"),
        (policy({"Effect": "Allow", "Resource": "*"}), "Statement 1: must have either Action or NotAction"),
        (policy({**STATEMENT, "NotAction": "s3:*"}), "Statement 1: must have either Action or NotAction"),
        (policy({"Effect": "Allow", "Action": "*"}), "Statement 1: must have either Resource or NotResource"),
        (policy({**STATEMENT, "Action": []}), "Statement 1: Action must be a string or a list of strings"),
        (policy({**STATEMENT, "Action": [1]}), "Statement 1: Action must be"),
        (policy({**STATEMENT, "Resource": {"a": "b"}}), "Statement 1: Resource must be"),
        (policy({**STATEMENT, "Principal": "*"}), "Statement 1: .* has no element Principal"),
        (policy({**STATEMENT, "Condition": "x"}), "Statement 1: Condition must be a JSON object"),
    ],
)
def test_bad_policy(text: str, message: str) -> None:
    with pytest.raises(ApiError, match=f"executionIamPolicy.policy: {message}") as caught:
        effective_policy(ROLE, {"policy": text})
    assert caught.value.code == "ValidationException"
