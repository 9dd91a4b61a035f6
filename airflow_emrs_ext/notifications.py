"""Events of changes of state on an SQS queue: what they say, and the rule and the queue that bring them.

``python -m airflow_emrs_ext.notifications`` makes rule and queue and prints the queue's URL.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_emrs_ext.resources import RESOURCES

NAME = "airflow-emrs-ext"
"""What queue and rule are called unless they are given names."""

# Of no use later: who begins to wait looks first.
_RETENTION_SECONDS = 3600

_KINDS = {(f"aws.{kind.service}", event): kind for kind in RESOURCES.values() for event in kind.events}

EVENT_PATTERN: Mapping[str, list[str]] = {
    "source": sorted({source for source, _ in _KINDS}),
    "detail-type": sorted({event for _, event in _KINDS}),
}
"""The pattern of the events that a wait can use; a rule may be narrower."""


class Notification(NamedTuple):
    """What an event says.

    :param kind: key of :data:`~airflow_emrs_ext.resources.RESOURCES`
    :param ids: of the resource
    :param state: that it is in, as the API spells it
    """

    kind: str
    ids: dict[str, str]
    state: str


def read_notification(body: str) -> Notification | None:
    """What an event says; ``None``: it is none of a change of state.

    :param body: of a message of the queue
    """
    try:
        event = json.loads(body)
        kind = _KINDS[event["source"], event["detail-type"]]
        found = Notification(kind.key, kind.ids_of(event["detail"]), str(kind.states.parse(event["detail"]["state"])))
    # RecursionError: nested deeper than Python reads.
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return found if all(isinstance(value, str) for value in found.ids.values()) else None


def create_notification_queue(queue_name: str = NAME, *, rule_name: str | None = None, session: Any = None) -> str:
    """Create a queue and the EventBridge rule that puts each change of state on it, or bring both up to date.

    The queue is for nothing else: its policy is replaced by one that lets only this rule send.

    :param queue_name: name of the SQS queue, a standard one
    :param rule_name: name of the rule on the default event bus; default: the queue's
    :param session: boto3 session for credentials and Region, e.g. ``AwsBaseHook("aws_default").get_session()``;
        default: boto3's own
    :return: the URL, for ``notification_queue``
    :raises RuntimeError: EventBridge refuses the queue as the rule's target
    """
    if session is None:
        from boto3.session import Session

        session = Session()
    rule_name = rule_name or queue_name
    sqs, events = session.client("sqs"), session.client("events")
    queue_url: str = sqs.create_queue(QueueName=queue_name)["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule_arn = events.put_rule(
        Name=rule_name,
        Description="Changes of state of EMR job runs and applications, for Airflow tasks that wait for them",
        EventPattern=json.dumps(EVENT_PATTERN),
    )["RuleArn"]
    attributes = {
        "MessageRetentionPeriod": str(_RETENTION_SECONDS),
        "Policy": json.dumps(queue_policy(queue_arn, rule_arn)),
    }
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes=attributes)
    answer = events.put_targets(Rule=rule_name, Targets=[{"Id": "notification-queue", "Arn": queue_arn}])
    if failed := answer.get("FailedEntries"):
        raise RuntimeError(f"Rule {rule_name} cannot send to {queue_arn}: {failed[0].get('ErrorMessage')}")
    return queue_url


def queue_policy(queue_arn: str, rule_arn: str) -> dict[str, Any]:
    """The policy of a queue that only one rule may send to.

    :param queue_arn: of the queue
    :param rule_arn: of the EventBridge rule
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
            }
        ],
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m airflow_emrs_ext.notifications", description=__doc__)
    parser.add_argument("--queue-name", default=NAME, help="name of the SQS queue (default: %(default)s)")
    parser.add_argument("--rule-name", help="name of the EventBridge rule (default: the queue's)")
    options = parser.parse_args()
    sys.stdout.write(create_notification_queue(options.queue_name, rule_name=options.rule_name) + "\n")


if __name__ == "__main__":
    main()
