"""Messages on the queue of notifications that are not the ones that the rule brings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from tests.answers.kinds import UNKNOWN
from tests.answers.resources import Resource

Message = Callable[[Resource, Mapping[str, str]], str]


def _with_ids(value: object) -> Message:
    """An event whose ids are something else."""

    def message(resource: Resource, ids: Mapping[str, str]) -> str:
        event = json.loads(resource.event(ids, UNKNOWN))
        event["detail"] = dict.fromkeys(event["detail"], value)
        return json.dumps(event)

    return message


MESSAGES: dict[str, Message] = {
    "an event with an unknown state": lambda resource, ids: resource.event(ids, UNKNOWN),
    "an event with a number for the state": lambda resource, ids: resource.event(ids, 7),
    "an event with null for the state": lambda resource, ids: resource.event(ids, None),
    "an event with a list for the state": lambda resource, ids: resource.event(ids, ["RUNNING"]),
    "an event with the state of a failure": lambda resource, ids: resource.event(ids, "FAILED"),
    "an event with objects for the ids": _with_ids({"a": 1}),
    "an event without a detail": lambda resource, ids: json.dumps(
        {"source": "aws.emr-serverless", "detail-type": "EMR Serverless Job Run State Change"}
    ),
    "a message of half a JSON": lambda resource, ids: resource.event(ids, "RUNNING")[:-20],
    "a message of a word": lambda resource, ids: "hello",
    "a message of HTML": lambda resource, ids: "<html><body>Please sign in</body></html>",
    "a message of brackets": lambda resource, ids: "[" * 50_000,
    "a message of 200 kB": lambda resource, ids: json.dumps({"detail": {"state": "x" * 200_000}}),
}
