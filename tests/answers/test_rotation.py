"""Credentials that expire while tasks wait, and a connection that has others before that, then, or later."""

from __future__ import annotations

import itertools
import json
import os
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from airflow_emrs_ext.local.testing import LocalEmr, ScriptedAttempt
from tests.answers.cases import connection, run_together
from tests.answers.kinds import KINDS
from tests.answers.proxy import Line, Proxy, proxied
from tests.answers.resources import RESOURCES, Resource
from tests.answers.wire import Answer, Request
from tests.polling import eventually
from tests.running import TaskRun, run_task

pytestmark = [pytest.mark.airflow]

CONNECTION = "rotating"
OLD, NEW = "AKIAOLDOLDOLDOLDOLD1", "AKIANEWNEWNEWNEWNEW2"
ROLE_ARN = "arn:aws:iam::123456789012:role/airflow"
MANY = 50

# How long a call is repeated that is refused for its credentials, and when the connection has others: in seconds after
# the expiry of what it had.
ACCESS_PATIENCE = 30.0
BEFORE, AT_ONCE, LATE = -1.0, 0.0, 6.0
# How long a busy machine may take for anything.
_LONGEST = 400.0


@dataclass
class Keys:
    """Which access keys are good: those of users, and those that STS has given out for a role.

    :param code: of the error that refuses a request that is signed with another
    """

    code: str
    good: set[str] = field(default_factory=lambda: {OLD, NEW})
    expired: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    refused: int = 0

    def hear(self, request: Request) -> Answer | None:
        """The refusal of a request; ``None``: it is signed with a good one."""
        signed = re.search(r"Credential=(\w+)/", request.headers.get("authorization", ""))
        key = signed[1] if signed else ""
        # STS has no keys of users.
        if key not in self.expired and (key in self.good or key.startswith("ASIA")):
            self.seen.add(key)
            return None
        self.refused += 1
        if request.operation == "AssumeRole":
            error = f"<Error><Code>{self.code.removesuffix('Exception')}</Code><Message>Expired</Message></Error>"
            xml = f"<ErrorResponse>{error}</ErrorResponse>".encode()
            return Answer(403, "Forbidden", {"content-type": "text/xml"}, xml)
        return KINDS[self.code].change(Answer(403), request)

    def expire(self) -> None:
        """From now on nothing that was good until now is, but for the new key of the user."""
        self.expired = self.seen - {NEW}
        self.good = {NEW}


@dataclass
class Rotation:
    """Tasks that wait while their credentials expire.

    :param role: whether the connection assumes a role
    :param late: how long after the expiry the connection has others; less than 0: before
    """

    emr: LocalEmr
    line: Line
    keys: Keys
    resource: Resource
    role: bool
    late: float
    place: str = ""

    def __post_init__(self) -> None:
        self.place = self.resource.make_place(self.emr)
        self.emr.script([ScriptedAttempt(hold=True)])
        self.connect(OLD)

    def connect(self, key: str) -> None:
        """Give the connection an access key."""
        given: dict[str, Any] = json.loads(connection(self.line.url, login=key))
        if self.role:
            given["extra"]["role_arn"] = ROLE_ARN
        os.environ[f"AIRFLOW_CONN_{CONNECTION.upper()}"] = json.dumps(given)

    def operator(self, number: int, deferrable: bool) -> Any:
        """The operator of a task."""
        return self.resource.start(
            self.place, task_id=f"task_{number}", aws_conn_id=CONNECTION, waiter_delay=1, deferrable=deferrable
        )

    def rotate(self, tasks: int) -> None:
        """Let the credentials expire once all wait, give the connection others, then let the job runs end."""
        pause = threading.Event()
        try:
            eventually(lambda: len(self.running) == tasks, within=_LONGEST)
            self.await_looks()
            if self.late < 0:
                self.connect(NEW)
                pause.wait(-self.late)
            self.keys.expire()
            if self.late >= 0:
                pause.wait(self.late)
                self.connect(NEW)
            eventually(lambda: self.keys.refused and NEW in self.keys.seen, within=_LONGEST)
            self.await_looks()
        finally:
            # Whatever is wrong, the tasks are to end.
            for record in self.running:
                self.emr.finish(record[self.resource.own.record_id])

    def await_looks(self) -> None:
        """Wait until somebody has looked again, and has been answered."""
        looks = (self.resource.own.get, self.resource.own.list)
        before = self.line.count(*looks)
        eventually(lambda: self.line.count(*looks) > before + 1, within=_LONGEST)

    @property
    def running(self) -> list[dict[str, Any]]:
        """The job runs that run."""
        return [one for one in self.resource.own.records(self.emr, self.place) if one["state"] == "RUNNING"]


@pytest.fixture
def proxy(emr: LocalEmr, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The proxy in front of the endpoint; there is no other way to it."""
    monkeypatch.setenv("AIRFLOW__EMRS_EXT__ACCESS_PATIENCE", str(ACCESS_PATIENCE))
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", "")
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with proxied(emr.url) as proxy:
        yield proxy


def check(rotation: Rotation, runs: list[TaskRun]) -> None:
    """None failed, none is left or there twice, and the credentials did expire."""
    assert [run.error for run in runs if run.error is not None] == []
    records = rotation.resource.own.records(rotation.emr, rotation.place)
    assert {one["state"] for one in records} <= {"SUCCESS", "COMPLETED"}
    assert len(records) == len(runs)
    (end,) = rotation.resource.calls["cancel"]
    assert rotation.emr.calls(end) == []
    assert rotation.keys.refused


EVERY = list(itertools.product((BEFORE, AT_ONCE, LATE), (False, True)))


def _all(quick: list[tuple[Any, ...]], *choices: tuple[Any, ...]) -> list[Any]:
    """All combinations, of which `make test` has the quick ones."""
    return [
        pytest.param(*one, marks=[] if one in quick else [pytest.mark.answers])
        for one in ((*others, late, role) for others in itertools.product(*choices) for late, role in EVERY)
    ]


@pytest.mark.parametrize(
    ("resource", "code", "late", "role"),
    _all(
        [("job run", "ExpiredTokenException", LATE, True), ("EKS job run", "UnrecognizedClientException", LATE, False)],
        ("job run", "EKS job run"),
        ("ExpiredTokenException", "UnrecognizedClientException"),
    ),
)
def test_tasks_in_workers_outlive_their_credentials(
    emr: LocalEmr, proxy: Proxy, resource: str, code: str, late: float, role: bool
) -> None:
    keys = Keys(code)

    def run(number: int) -> TaskRun:
        return run_task(lambda: rotation.operator(number, False), task_id=f"task_{number}")

    with proxy.line(hear=keys.hear) as line, ThreadPoolExecutor(3) as pool:
        rotation = Rotation(emr, line, keys, RESOURCES[resource], role, late)
        rotating = pool.submit(rotation.rotate, 2)
        runs = list(pool.map(run, range(2)))
        rotating.result()
    check(rotation, runs)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("many", "late", "role"), _all([(12, LATE, True)], (12, MANY)))
def test_deferred_tasks_outlive_their_credentials(
    emr: LocalEmr, proxy: Proxy, many: int, late: float, role: bool
) -> None:
    keys = Keys("ExpiredTokenException")
    with proxy.line(hear=keys.hear) as line, ThreadPoolExecutor(1) as pool:
        rotation = Rotation(emr, line, keys, RESOURCES["job run"], role, late)
        rotating = pool.submit(rotation.rotate, many)
        makes = [partial(rotation.operator, number, True) for number in range(many)]
        runs = run_together(makes, [{"task_id": f"task_{number}"} for number in range(many)])
        rotating.result()
    check(rotation, runs)
