"""How a persistent UI is asked for, call by call."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from airflow_emrs_ext.core.effects import AcquireSlot, Call, RunContext, Sleep
from airflow_emrs_ext.exceptions import RequestRejected
from airflow_emrs_ext.plugin.views.persistent_uis import presigned_url

pytestmark = pytest.mark.airflow

CLUSTER = "arn:aws:emr-containers:us-east-1:123456789012:/virtualclusters/"


def refused(operation: str) -> ClientError:
    """The refusal of a call."""
    said: Any = {
        "Error": {"Code": "InvalidRequestException", "Message": "there is none"},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }
    return ClientError(said, operation)


class Service:
    """Answers the calls of a click, at a clock that only sleeping moves.

    Of a virtual cluster of its own: what one click leaves is for the next one on the same cluster.

    :param looks: how often a new UI is not ready when it is looked at, and then is not when its URL is asked for
    """

    def __init__(self, looks: int) -> None:
        self.cluster = CLUSTER + uuid4().hex
        self.now = 0.0
        self.looks = looks
        self.made = 0
        self.forgotten = False

    def click(self, patience_seconds: float = 8.0) -> str | None:
        """Where a click leads."""
        ctx = RunContext(clock=lambda: self.now)
        steps = presigned_url(ctx, self.cluster, "run", patience_seconds=patience_seconds)
        answer: Any = None
        while True:
            try:
                step = steps.throw(answer) if isinstance(answer, Exception) else steps.send(answer)
            except StopIteration as stop:
                url: str | None = stop.value
                return url
            answer = self._answer(step)

    def _answer(self, step: Any) -> Any:
        if isinstance(step, Sleep):
            self.now += step.seconds
            return None
        if isinstance(step, AcquireSlot):
            return 0.0
        assert isinstance(step, Call)
        assert step.service == "emr"
        if step.operation == "create_persistent_app_ui":
            assert step.parameters == {"TargetResourceArn": self.cluster, "EMRContainersConfig": {"JobRunId": "run"}}
            self.made, self.forgotten = self.made + 1, False
            return {"PersistentAppUIId": f"p-{self.made}"}
        if self.forgotten:
            return refused(step.operation)
        assert step.parameters["PersistentAppUIId"] == f"p-{self.made}"
        if step.operation == "describe_persistent_app_ui":
            self.looks -= 1
            return {"PersistentAppUI": {"PersistentAppUIStatus": "CREATING" if self.looks > 0 else "ATTACHED"}}
        if self.looks == 0:
            return {"PresignedURLReady": False}
        return {"PresignedURLReady": True, "PresignedURL": f"https://p-{self.made}"}


def test_a_click_waits_for_the_ui() -> None:
    service = Service(looks=3)
    assert service.click() == "https://p-1"
    assert service.now == 3.0


def test_a_page_that_loads_itself_again_makes_no_other_ui() -> None:
    service = Service(looks=12)
    assert service.click() is None
    assert service.now < 8.0
    assert service.click() == "https://p-1"
    assert service.made == 1
    # One that was ready is nobody's to remember.
    assert service.click() == "https://p-2"


def test_a_ui_that_the_service_has_forgotten_is_made_anew() -> None:
    service = Service(looks=12)
    assert service.click() is None
    service.forgotten, service.looks = True, 0
    assert service.click() is None
    assert service.click() == "https://p-2"


def test_a_new_ui_that_is_refused_is_an_error() -> None:
    steps = presigned_url(RunContext(), f"{CLUSTER}refused", "run", patience_seconds=0)
    next(steps)
    for answer in (0.0, {"PersistentAppUIId": "p-1"}, 0.0):
        steps.send(answer)
    with pytest.raises(RequestRejected, match="InvalidRequestException"):
        steps.throw(refused("describe_persistent_app_ui"))
