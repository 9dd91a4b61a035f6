"""IAM's policies: what a statement says of an action on a resource, and what is not understood."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_emrs_ext.local.base.iam_policies import Access, Verdict, read_policy, verdict

START, LIST, PASS = "emr-serverless:StartJobRun", "emr-serverless:ListApplications", "iam:PassRole"
APPLICATION = "arn:aws:emr-serverless:us-east-1:123456789012:/applications/00f1"
ALLOW = {"Effect": "Allow", "Action": START, "Resource": "*"}


def policy(*statements: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def asked(
    *statements: Any,
    action: str = START,
    resource: str = APPLICATION,
    context: dict[str, tuple[str, ...]] | None = None,
) -> Verdict:
    return verdict(
        read_policy(policy(*statements), "here", {START, LIST, PASS}), Access(action, resource, context or {})
    )


def with_condition(block: Any, **context: tuple[str, ...]) -> bool:
    """Whether a condition is met, of keys written without their prefix."""
    given = {key.replace("__", ":").replace("_", "/"): values for key, values in context.items()}
    return asked({**ALLOW, "Condition": block}, context=given) is Verdict.ALLOWED


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        (ALLOW, True),
        ({**ALLOW, "Action": "*"}, True),
        ({**ALLOW, "Action": ["emr-serverless:Get*", "EMR-Serverless:start?obrun"]}, True),
        ({**ALLOW, "Action": "emr-serverless:Start"}, False),
        ({**ALLOW, "Action": LIST}, False),
        ({"Effect": "Allow", "NotAction": LIST, "Resource": "*"}, True),
        ({"Effect": "Allow", "NotAction": "emr-serverless:*", "Resource": "*"}, False),
        ({**ALLOW, "Resource": APPLICATION}, True),
        ({**ALLOW, "Resource": "arn:aws:emr-serverless:*:*:/*"}, True),
        (
            {
                **ALLOW,
                "Resource": ["arn:aws:s3:::bucket", "arn:*:emr-serverless:us-*-1:123456789012:/applications/0?f1"],
            },
            True,
        ),
        ({**ALLOW, "Resource": f"{APPLICATION}/jobruns/*"}, False),
        ({**ALLOW, "Resource": "arn:aws:*:::/applications/00f1"}, False),
        ({"Effect": "Allow", "Action": START, "NotResource": f"{APPLICATION}x"}, True),
        ({"Effect": "Allow", "Action": START, "NotResource": f"{APPLICATION}*"}, False),
    ],
)
def test_actions_and_resources(statement: Any, allowed: bool) -> None:
    assert asked(statement) is (Verdict.ALLOWED if allowed else Verdict.NOT_ALLOWED)


def test_a_deny_outranks_every_allow_and_one_for_something_else_does_nothing() -> None:
    deny = {**ALLOW, "Effect": "Deny"}
    assert asked(deny, ALLOW) is Verdict.DENIED
    assert asked(ALLOW, {**deny, "Action": LIST}) is Verdict.ALLOWED
    assert asked(ALLOW, {**deny, "Condition": {"Bool": {"aws:ViaAWSService": "true"}}}) is Verdict.ALLOWED


def test_a_statement_without_list() -> None:
    document = {"Version": "2012-10-17", "Statement": ALLOW}
    assert verdict(read_policy(document, "here", {START}), Access(START, APPLICATION, {})) is Verdict.ALLOWED


TEAM, KEYS = "aws:RequestTag/Team", "aws:TagKeys"


@pytest.mark.parametrize(
    ("block", "team", "met"),
    [
        ({"StringEquals": {TEAM: "data"}}, "data", True),
        ({"StringEquals": {TEAM: ["web", "data"]}}, "data", True),
        ({"StringEquals": {"AWS:requesttag/team": "data"}}, "data", True),
        ({"StringEquals": {TEAM: "data"}}, "Data", False),
        ({"StringEquals": {TEAM: "data"}}, None, False),
        ({"StringEqualsIfExists": {TEAM: "data"}}, None, True),
        ({"StringEqualsIfExists": {TEAM: "data"}}, "web", False),
        ({"StringEqualsIgnoreCase": {TEAM: "data"}}, "DATA", True),
        ({"StringNotEquals": {TEAM: ["data", "web"]}}, "web", False),
        ({"StringNotEquals": {TEAM: "data"}}, "web", True),
        ({"StringNotEquals": {TEAM: "data"}}, None, True),
        ({"StringNotEqualsIgnoreCase": {TEAM: "data"}}, "DATA", False),
        ({"StringLike": {TEAM: "da*[a]"}}, "dat[a]", True),
        ({"StringLike": {TEAM: "da?a"}}, "daa", False),
        ({"StringNotLike": {TEAM: "da*"}}, "web", True),
        ({"Null": {TEAM: "false"}}, "data", True),
        ({"Null": {TEAM: False}}, None, False),
        ({"Null": {TEAM: "true"}}, None, True),
        ({"Null": {TEAM: "true"}}, "data", False),
        ({"StringEquals": {TEAM: "data"}, "Null": {TEAM: "true"}}, "data", False),
    ],
)
def test_conditions_of_one_value(block: Any, team: str | None, met: bool) -> None:
    assert with_condition(block, aws__requesttag_team=() if team is None else (team,)) is met


@pytest.mark.parametrize(
    ("block", "keys", "met"),
    [
        ({"ForAllValues:StringEquals": {KEYS: ["a", "b"]}}, "ab", True),
        ({"ForAllValues:StringEquals": {KEYS: ["a", "b"]}}, "abc", False),
        ({"ForAllValues:StringEquals": {KEYS: ["a", "b"]}}, "", True),
        ({"ForAllValues:StringNotEquals": {KEYS: "a"}}, "bc", True),
        ({"ForAnyValue:StringLike": {KEYS: "b*"}}, "abc", True),
        ({"ForAnyValue:StringLike": {KEYS: "x*"}}, "abc", False),
        ({"ForAnyValue:StringEquals": {KEYS: "a"}}, "", False),
        ({"ForAnyValue:StringNotEquals": {KEYS: "a"}}, "", False),
        ({"Null": {KEYS: "true"}}, "", True),
    ],
)
def test_conditions_of_several_values(block: Any, keys: str, met: bool) -> None:
    assert with_condition(block, aws__tagkeys=tuple(keys)) is met


@pytest.mark.parametrize(
    ("operator", "pattern", "met"),
    [
        ("ArnEquals", "arn:aws:iam::*:role/job-*", True),
        ("ArnLike", "arn:*:role/job-1", False),
        ("ArnNotLike", "arn:aws:iam::*:role/x*", True),
        ("ArnNotEquals", "arn:aws:iam::*:role/job-*", False),
    ],
)
def test_conditions_of_arns(operator: str, pattern: str, met: bool) -> None:
    role = ("arn:aws:iam::123456789012:role/job-1",)
    block = {operator: {"emr-containers:ExecutionRoleArn": pattern}}
    assert with_condition(block, **{"emr-containers__executionrolearn": role}) is met


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            {**ALLOW, "Condition": {"NumericEquals": {TEAM: "1"}}},
            "NumericEquals is not evaluated here: take",
        ),
        ({**ALLOW, "Condition": {"StringEqual": {TEAM: "1"}}}, "Condition: StringEqual is not evaluated here"),
        ({**ALLOW, "Condition": {"ForSomeValues:StringEquals": {TEAM: "1"}}}, "is not evaluated here"),
        ({**ALLOW, "Condition": {"NullIfExists": {TEAM: "true"}}}, "NullIfExists is not evaluated here"),
        (
            {**ALLOW, "Condition": {"StringEquals": {"aws:SourceIp": "::1"}}},
            "aws:SourceIp is not known here",
        ),
        ({**ALLOW, "Condition": {"StringEquals": {KEYS: "a"}}}, "write ForAllValues:StringEquals or ForAnyValue:"),
        ({**ALLOW, "Condition": {"StringEquals": {TEAM: 1}}}, "must be a string or a list of strings"),
        ({**ALLOW, "Condition": {"StringEquals": {TEAM: []}}}, "must be a string or a list of strings"),
        ({**ALLOW, "Condition": {"Null": {TEAM: "yes"}}}, "must be true or false"),
        ({**ALLOW, "Condition": {"StringEquals": "data"}}, "StringEquals: must be a JSON object"),
        (
            {**ALLOW, "Condition": {"StringEquals": {TEAM: "${aws:username}"}}},
            "policy variables are not evaluated here",
        ),
        ({**ALLOW, "Resource": "arn:aws:emr-serverless:*:${aws:PrincipalAccount}:/*"}, "policy variables are not"),
        ({**ALLOW, "Resource": "00f1"}, "'00f1' is no resource: write an ARN, or *"),
        ({**ALLOW, "Action": "StartJobRun"}, "'StartJobRun' is no action: write service:Operation, or *"),
        ({**ALLOW, "Principal": "*"}, "has no element Principal"),
        ({**ALLOW, "NotPrincipal": "*"}, "has no element NotPrincipal"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_place(statement: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"^here: Statement 2: ") as caught:
        asked(ALLOW, statement)
    assert said in str(caught.value)


def test_conditions_of_other_services_actions_are_left_to_them() -> None:
    network = {
        "Effect": "Deny",
        "Action": ["ec2:CreateNetworkInterface", "iam:CreateServiceLinkedRole"],
        "Resource": "arn:aws:ec2:*:*:network-interface/*",
        "Condition": {"IpAddress": {"aws:CalledViaLast": "${x}"}},
    }
    assert asked(ALLOW, network) is Verdict.ALLOWED
