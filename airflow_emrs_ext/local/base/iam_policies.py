"""IAM's policies: the form of a document, and what its statements say of one action on one resource.

moto's evaluator does not serve here: it counts a condition whose operator it does not know as met, one that is not met
as a denial, and knows neither ``NotResource`` nor the values of tags. Here whatever is not understood is refused.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

_VERSIONS = ("2012-10-17", "2008-10-17")
_STATEMENT = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}

TAG_KEYS = "aws:TagKeys"
_KEYS = (
    "aws:PrincipalAccount",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    TAG_KEYS,
    "aws:ViaAWSService",
    "emr-containers:ExecutionRoleArn",
    "emr-containers:JobTemplateArn",
    "elasticmapreduce:ExecutionRoleArn",
    "iam:PassedToService",
)
_TAG_KEYS = tuple(f"{owner}:{of}Tag/" for owner in ("aws", "emr-serverless") for of in ("Request", "Resource"))

_ACTION = re.compile(r"\*|[\w*?-]+:[\w*?]+")
_OPERATOR = re.compile(r"(?:(ForAllValues|ForAnyValue):)?(\w+?)(IfExists)?")


def _like(pattern: str, text: str) -> bool:
    wild = {"*": ".*", "?": "."}
    return bool(re.fullmatch("".join(wild.get(one) or re.escape(one) for one in pattern), text, re.DOTALL))


def _arn_like(pattern: str, arn: str) -> bool:
    """Whether an ARN fits; a wildcard does not reach across the colons of its first five parts."""
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return pattern == "*" or (len(patterns) == len(parts) and all(map(_like, patterns, parts)))


def _same_letters(expected: str, value: str) -> bool:
    return expected.lower() == value.lower()


_NULL = "Null"
# What a value is compared with, and whether the operator asks that none is alike.
_OPERATORS: Mapping[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (operator.eq, False),
    "StringNotEquals": (operator.eq, True),
    "StringEqualsIgnoreCase": (_same_letters, False),
    "StringNotEqualsIgnoreCase": (_same_letters, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_arn_like, False),
    "ArnLike": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnNotLike": (_arn_like, True),
    "Bool": (_same_letters, False),
    _NULL: (operator.eq, False),
}


class Verdict(Enum):
    """What policies say of an action."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "because no identity-based policy allows the {action} action"
    DENIED = "with an explicit deny in an identity-based policy"


@dataclass(frozen=True)
class Access:
    """One action on one resource.

    :param action: e.g. ``emr-serverless:StartJobRun``
    :param resource: its ARN, or ``*``
    :param context: the values of condition keys, by the key in lower case; a key without values is not there
    """

    action: str
    resource: str
    context: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class _Condition:
    key: str
    operator: str
    quantifier: str | None
    if_exists: bool
    values: tuple[str, ...]

    def is_met(self, context: Mapping[str, Sequence[str]]) -> bool:
        present = context.get(self.key, ())
        if self.operator == _NULL:
            return ("false" if present else "true") in self.values
        alike, negated = _OPERATORS[self.operator]
        met = [any(alike(expected, value) for expected in self.values) is not negated for value in present]
        if self.quantifier == "ForAllValues":
            return all(met)
        return any(met) if met else self.if_exists or (negated and self.quantifier is None)


@dataclass(frozen=True)
class Statement:
    """A statement of a policy."""

    allows: bool
    actions: tuple[str, ...]
    except_actions: bool
    resources: tuple[str, ...]
    except_resources: bool
    conditions: tuple[_Condition, ...] = ()

    def is_about(self, action: str) -> bool:
        """Whether it says anything of an action."""
        return any(_like(one.lower(), action.lower()) for one in self.actions) is not self.except_actions

    def applies(self, access: Access) -> bool:
        """Whether it holds for an action on a resource."""
        return (
            self.is_about(access.action)
            and any(_arn_like(one, access.resource) for one in self.resources) is not self.except_resources
            and all(condition.is_met(access.context) for condition in self.conditions)
        )


def verdict(statements: Iterable[Statement], access: Access) -> Verdict:
    """What the statements of all of somebody's policies say; a Deny outranks every Allow."""
    applying = [statement for statement in statements if statement.applies(access)]
    if not all(statement.allows for statement in applying):
        return Verdict.DENIED
    return Verdict.ALLOWED if applying else Verdict.NOT_ALLOWED


def read_policy(document: Any, where: str, actions: Collection[str]) -> list[Statement]:
    """The statements of a policy that say something of the actions that are asked for.

    :param document: as JSON gives it
    :param where: its place, for errors
    :param actions: all that is ever asked for
    :raises ValueError: it is no policy, or something in it is not understood; the place and what to do are named
    """
    read = []
    for index, given in enumerate(check_form(document, where), start=1):
        place = f"{where}: Statement {index}"
        except_actions, except_resources = "NotAction" in given, "NotResource" in given
        statement = Statement(
            allows=given["Effect"] == "Allow",
            actions=_texts(given["NotAction" if except_actions else "Action"]),
            except_actions=except_actions,
            resources=_texts(given["NotResource" if except_resources else "Resource"]),
            except_resources=except_resources,
        )
        if wrong := [one for one in statement.actions if not _ACTION.fullmatch(one)]:
            raise ValueError(f"{place}: {wrong[0]!r} is no action: write service:Operation, or *")
        # What a statement asks of other services' actions is not known here, and has no effect here.
        if any(statement.is_about(action) for action in actions):
            read.append(_conditional(statement, given, place))
    return read


def _conditional(statement: Statement, given: Mapping[str, Any], place: str) -> Statement:
    """A statement with its conditions, of which all is understood."""
    for one in statement.resources:
        if one != "*" and (not one.startswith("arn:") or one.count(":") < 5):
            raise ValueError(f"{place}: {one!r} is no resource: write an ARN, or *")
        _refuse_variable(one, place)
    conditions = tuple(
        _condition(name, key, values, f"{place}: Condition: {name}")
        for name, block in given.get("Condition", {}).items()
        for key, values in _block(block, f"{place}: Condition: {name}").items()
    )
    return Statement(**{**vars(statement), "conditions": conditions})


def _block(block: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(block, dict) or not block:
        raise ValueError(f"{place}: must be a JSON object of condition keys and values")
    return block


def _condition(name: str, key: str, given: Any, place: str) -> _Condition:
    found = _OPERATOR.fullmatch(name)
    if not found or found[2] not in _OPERATORS or (found[2] == _NULL and (found[1] or found[3])):
        raise ValueError(
            f"{place} is not evaluated here: take {', '.join(_OPERATORS)}, but for {_NULL} with ForAllValues: or"
            " ForAnyValue: before it and IfExists behind it, or leave the condition out"
        )
    if key.lower() not in map(str.lower, _KEYS) and not key.lower().startswith(tuple(map(str.lower, _TAG_KEYS))):
        known = ", ".join((*_KEYS, *(f"{one}KEY" for one in _TAG_KEYS)))
        raise ValueError(f"{place}: {key} is not known here: take one of {known}, or leave the condition out")
    if key.lower() == TAG_KEYS.lower() and found[2] != _NULL and not found[1]:
        raise ValueError(f"{place}: {key} has several values: write ForAllValues:{name} or ForAnyValue:{name}")
    values = tuple(str(one).lower() if isinstance(one, bool) else one for one in _listed(given))
    if not values or not all(isinstance(one, str) for one in values):
        raise ValueError(f"{place}: {key} must be a string or a list of strings")
    if found[2] in ("Bool", _NULL) and not {"true", "false"}.issuperset(values):
        raise ValueError(f"{place}: {key} must be true or false")
    for one in values:
        _refuse_variable(one, f"{place}: {key}")
    return _Condition(key.lower(), found[2], found[1], bool(found[3]), values)


def _refuse_variable(text: str, place: str) -> None:
    if "${" in text:
        raise ValueError(f"{place}: {text!r}: policy variables are not evaluated here: write what it comes to")


def check_form(document: Any, where: str) -> list[dict[str, Any]]:
    """The statements of a policy that has the form of an identity-based one.

    :param document: as JSON gives it
    :param where: its place, for errors
    :raises ValueError: it has another form; the place is named
    """
    if not isinstance(document, dict):
        raise ValueError(f"{where}: must be a JSON object with Version and Statement")
    if unknown := sorted(document.keys() - {"Version", "Id", "Statement"}):
        raise ValueError(f"{where}: a policy has no element {unknown[0]}")
    if document.get("Version") not in _VERSIONS:
        raise ValueError(f"{where}: Version must be {' or '.join(_VERSIONS)}")
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise ValueError(f"{where}: Statement must be a statement or a list of at least one")
    for index, statement in enumerate(statements, start=1):
        _check_statement(statement, f"{where}: Statement {index}")
    return statements


def _check_statement(statement: Any, where: str) -> None:
    if not isinstance(statement, dict):
        raise ValueError(f"{where}: must be a JSON object")
    if unknown := sorted(statement.keys() - _STATEMENT):
        raise ValueError(f"{where}: a statement of an identity-based policy has no element {unknown[0]}")
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise ValueError(f"{where}: Effect must be Allow or Deny")
    for name in ("Action", "Resource"):
        given = [key for key in (name, f"Not{name}") if key in statement]
        if len(given) != 1:
            raise ValueError(f"{where}: must have either {name} or Not{name}")
        values = _listed(statement[given[0]])
        if not values or not all(isinstance(value, str) and value for value in values):
            raise ValueError(f"{where}: {given[0]} must be a string or a list of strings")
    if not isinstance(statement.get("Condition", {}), dict):
        raise ValueError(f"{where}: Condition must be a JSON object")


def _listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def _texts(given: Any) -> tuple[str, ...]:
    return tuple(_listed(given))
