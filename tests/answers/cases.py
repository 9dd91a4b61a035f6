"""A case of the matrix: one task, or a few that wait together, one kind of wrong answers, and what became of it all."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from airflow_emrs_ext._compat import AirflowFailException, TaskDeferred
from airflow_emrs_ext.local.testing import LocalEmr, LocalEmrError
from tests.answers.kinds import KINDS
from tests.answers.messages import MESSAGES
from tests.answers.proxy import Lasting, Line, Proxy, Rule
from tests.answers.resources import BUCKET, ENDING_BY_THEMSELVES, Resource, script
from tests.answers.wire import Request
from tests.polling import eventually
from tests.running import TaskInstance, TaskRun, context_of, execute, fire, run_task

MANY = 12
"""How many tasks wait together, so that listings answer for them."""

_WAITER_DELAY = 0.3
_RETRIES = 2
_LONGEST_START, _LONGEST_TRY = 60.0, 180.0
_numbers = itertools.count()


@dataclass(frozen=True)
class Case:
    """What is tried.

    :param mode: ``blocking``, ``deferrable``, or ``triggerer``: submitted from there, too
    """

    resource: str
    operation: str
    kind: str
    lasts: Lasting
    mode: str

    @property
    def alike(self) -> tuple[str, ...]:
        """What cases of different modes have in common."""
        return (self.resource, self.operation, self.kind, self.lasts)

    @property
    def dag_id(self) -> str:
        """A name for what it starts, the same in each mode."""
        return re.sub(r"\W+", "-", "-".join(self.alike))[:48]


@dataclass
class Record:
    """What became of a case.

    :param reached: how many answers were changed
    :param left: the states of what had been started, once the first try had ended
    :param tries: how each try of each task ended: the type and message of its error, ``None`` for success
    :param started: how many job runs or sessions there are in the end
    :param ended: how many calls there were that end one
    :param problems: what is against the law
    :param compared: what is to be the same in each mode
    """

    case: Case
    reached: int = 0
    left: list[str] = field(default_factory=list)
    tries: list[list[Any]] = field(default_factory=list)
    started: int = 0
    ended: int = 0
    problems: list[str] = field(default_factory=list)
    compared: list[Any] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self.case), **{name: value for name, value in vars(self).items() if name != "case"}}


class Stage:
    """Where a case is played."""

    def __init__(self, emr: LocalEmr, proxy: Proxy, line: Line, case: Case, resource: Resource) -> None:
        self.emr, self.proxy, self.line, self.case, self.resource = emr, proxy, line, case, resource
        self.connection = f"answers_{next(_numbers)}"
        # It stays: others read the environment meanwhile.
        os.environ[f"AIRFLOW_CONN_{self.connection.upper()}"] = connection(line.url)
        self.place = self.resource.make_place(emr)
        self.queue = ""
        self.released = threading.Event()
        script(emr, case.operation, f"*{case.dag_id}*")

    @property
    def records(self) -> list[dict[str, Any]]:
        """What has been started, oldest first."""
        return self.resource.own.records(self.emr, self.place)

    @property
    def ends(self) -> int:
        """How many calls there were that end something."""
        (operation,) = self.resource.calls["cancel"]
        return len(self.emr.calls(operation, application_id=self.place))

    def operator(self, number: int = 0, **given: Any) -> Any:
        """The operator of a task."""
        case = self.case
        arguments: dict[str, Any] = {
            "task_id": f"task_{number}",
            "aws_conn_id": self.connection,
            "waiter_delay": _WAITER_DELAY,
            "retries": _RETRIES,
            "name": f"{case.dag_id}.{number}",
            "deferrable": case.mode != "blocking",
            **given,
        }
        if case.operation == "cancel":
            del arguments["name"]
            return self.resource.end(**arguments, **self.resource.ids(self.place, self.records[0]))
        if case.mode == "triggerer":
            arguments["submit_from"] = "triggerer"
        if case.operation == "report":
            arguments["retry_policy"] = {"maxAttempts": 2}
        if case.operation in ("S3", "CloudWatch"):
            arguments |= {"logs": case.operation, "log_to": f"s3://{BUCKET}/{self.place}"}
        if self.queue:
            arguments["notification_queue"] = self.queue
        return self.resource.start(self.place, **arguments)

    def tries(self, try_number: int, numbers: range = range(1)) -> list[TaskRun]:
        """A try of each task, all at once."""
        tis = [
            {"dag_id": self.case.dag_id, "task_id": f"task_{number}", "try_number": try_number, "max_tries": _RETRIES}
            for number in numbers
        ]
        makes = [partial(self.operator, number) for number in numbers]
        if len(numbers) == 1:
            return [run_task(makes[0], **tis[0])]
        return run_together(makes, tis)

    def release(self) -> None:
        """Let job runs end that are held, now and from now on."""
        self.released.set()

    def play_service(self, is_over: threading.Event) -> None:
        """End the job runs that are held, once they may; tell the queue of it where there is one."""
        told: set[str] = set()
        case = self.case
        none_is_held = case.resource == "session" or case.operation in ("cancel", *ENDING_BY_THEMSELVES)
        while not is_over.is_set():
            self.released.wait(1.0)
            if none_is_held or not self.released.is_set():
                is_over.wait(0.5)
                continue
            for record in self.records:
                own_id, state = record[self.resource.own.record_id], record["state"]
                if state == "RUNNING":
                    with suppress(LocalEmrError):
                        self.emr.finish(own_id)
                elif self.queue and state in self.resource.own.over and own_id not in told:
                    told.add(own_id)
                    self.tell(self.resource.event(self.resource.ids(self.place, record), state))
            is_over.wait(0.5)

    def tell(self, message: str) -> None:
        """Put a message on the queue."""
        self.emr.client("sqs").send_message(QueueUrl=self.queue, MessageBody=message)


def connection(url: str, **given: Any) -> str:
    """An Airflow connection to an endpoint, as an environment variable has it."""
    extra = {
        "endpoint_url": url,
        "region_name": "us-east-1",
        # Airflow asks STS for a role where AWS has it unless it is told otherwise.
        "service_config": {"sts": {"endpoint_url": url}},
    }
    return json.dumps({"conn_type": "aws", "login": "test", "password": "test", "extra": extra, **given})


def run_together(makes: list[Callable[[], Any]], tis: list[dict[str, Any]]) -> list[TaskRun]:
    """A try of several deferrable tasks whose triggers run on one event loop."""
    runs = [TaskRun(deferred=True) for _ in tis]
    contexts = [context_of(TaskInstance(**ti)) for ti in tis]
    deferrals: dict[int, TaskDeferred] = {}
    for number, make in enumerate(makes):
        try:
            runs[number].result = execute(make(), contexts[number])
        except TaskDeferred as deferral:
            deferrals[number] = deferral
        except Exception as error:
            runs[number].error = error

    async def triggerer() -> list[Any]:
        return await asyncio.gather(*(fire(*one.trigger.serialize()) for one in deferrals.values()))

    for (number, deferral), event in zip(deferrals.items(), asyncio.run(triggerer()), strict=True):
        try:
            runs[number].result = getattr(makes[number](), deferral.method_name)(contexts[number], event)
        except Exception as error:
            runs[number].error = error
    for run, context in zip(runs, contexts, strict=True):
        run.xcoms = context["ti"].xcoms
    return runs


def play(emr: LocalEmr, proxy: Proxy, case: Case, resource: Resource) -> Record:
    """Play a case.

    :param resource: that of its name
    """
    kind = KINDS.get(case.kind)
    rule = kind and Rule(
        resource.calls[case.operation],
        kind.change,
        case.lasts,
        kind.reaches,
        kind.closes,
        resource.while_seconds,
        ask=_ask_for_all if case.operation == "list" else lambda request: request,
        takes_seconds=kind.takes_seconds,
    )
    with proxy.line(rule) as line:
        stage = Stage(emr, proxy, line, case, resource)
        is_over = threading.Event()
        service = threading.Thread(target=stage.play_service, args=[is_over], daemon=True)
        service.start()
        try:
            return _play(stage, line)
        finally:
            is_over.set()
            service.join()


def _play(stage: Stage, line: Line) -> Record:
    case, emr = stage.case, stage.emr
    record = Record(case)
    tries = 1
    if case.operation == "events":
        stage.queue = emr.client("sqs").create_queue(QueueName=f"answers-{next(_numbers)}")["QueueUrl"]
    if case.operation == "cancel":
        stage.resource.begin(emr, stage.place, case.dag_id)
        eventually(lambda: stage.records[0]["state"] in ("RUNNING", "IDLE"), within=60)
    if case.operation == "list":
        # The worker of the first try was lost.
        nobody_waits = {"wait_for_completion": False, "deferrable": False}
        run_task(lambda: stage.operator(**nobody_waits), dag_id=case.dag_id, task_id="task_0", max_tries=_RETRIES)
        tries = 2
    if case.operation in ("S3", "CloudWatch", "report"):
        stage.release()
    number_of_tasks = MANY if case.operation == "list of many" else 1
    runs = _first(stage, line, tries, range(number_of_tasks))
    record.reached = line.rule.changed if line.rule else 1
    before = stage.records
    own = [one[stage.resource.own.record_id] for one in before]
    record.left = [one["state"] for one in before]
    _judge(record, stage, runs)
    record.tries.append([_said(run) for run in runs])
    record.compared = [_comparable(run) for run in runs[:1]]
    failed = [number for number, run in enumerate(runs) if run.error is not None]
    is_the_jobs = case.operation in ("S3", "CloudWatch")
    if failed and not is_the_jobs:
        proxy_lifted(stage)
        again = [stage.tries(tries + 1, range(number, number + 1))[0] for number in failed]
        record.tries.append([_said(run) for run in again])
        if any(run.error is not None for run in again):
            record.problems.append("the retry failed")
    record.started = len(stage.records)
    record.ended = stage.ends
    if case.operation != "cancel":
        if record.ended or any(one["state"].startswith(("CANCEL", "TERMINAT")) for one in stage.records):
            record.problems.append("ended")
        if own and [one[stage.resource.own.record_id] for one in stage.records][: len(own)] != own:
            record.problems.append("another one")
    if record.started > number_of_tasks:
        record.problems.append("doubled")
    elif record.started < number_of_tasks:
        record.problems.append("never started")
    return record


def proxy_lifted(stage: Stage) -> None:
    """End the wrong answers, and let what is held end."""
    stage.proxy.lift(stage.line)
    stage.release()


def _first(stage: Stage, line: Line, try_number: int, numbers: range) -> list[TaskRun]:
    """The try that meets the wrong answers."""
    runs: list[TaskRun] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            runs.extend(stage.tries(try_number, numbers))
        except BaseException as error:
            errors.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    began = time.monotonic()
    if line.rule is None:
        _send_messages(stage, worker)
    while worker.is_alive() and line.rule is not None and not line.rule.has_passed:
        since = began if line.rule.began is None else line.rule.began
        if time.monotonic() - since > (stage.resource.ever_seconds if line.rule.began else _LONGEST_START):
            break
        worker.join(0.1)
    stage.release()
    worker.join(10 + (0 if line.rule is None or line.rule.lasts == "for ever" else _LONGEST_TRY))
    if worker.is_alive():
        # It waits on, whatever it is told; now it is told the truth.
        proxy_lifted(stage)
        worker.join(_LONGEST_TRY)
    if errors:
        raise errors[0]
    if worker.is_alive():
        raise TimeoutError(f"{stage.case}: the try has not ended")
    return runs


def _send_messages(stage: Stage, worker: threading.Thread) -> None:
    eventually(lambda: stage.records, within=60)
    ids = stage.resource.ids(stage.place, stage.records[0])
    message = MESSAGES[stage.case.kind](stage.resource, ids)
    stage.tell(message)
    seconds = {"once": 0.0, "for a while": stage.resource.while_seconds, "for ever": stage.resource.ever_seconds}[
        stage.case.lasts
    ]
    until = time.monotonic() + seconds
    while worker.is_alive() and time.monotonic() < until:
        stage.tell(message)
        worker.join(0.3)


def _judge(record: Record, stage: Stage, runs: list[TaskRun]) -> None:
    """What is wrong with how the tries ended."""
    case = stage.case
    for run, started in itertools.zip_longest(runs, stage.records[: len(runs)]):
        problems: list[str] = []
        if case.operation in ("S3", "CloudWatch"):
            if type(run.error).__name__ != "JobRunFailed":
                problems.append("the job run's own failure is not told")
        elif run.error is not None:
            text = str(run.error)
            if case.lasts != "for ever":
                problems.append("failed within the patience")
            if isinstance(run.error, AirflowFailException):
                problems.append("not retried")
            known = getattr(run.error, "facts", {})
            # Of a start whose answer was never seen, and of what a lost worker left, it is known where it is.
            is_known = started and (case.operation not in ("start", "list") or stage.resource.id_names[-1] in known)
            if (started[stage.resource.own.record_id] if is_known else stage.place) not in text:
                problems.append("no ids in the message")
            if not _REMEDY.search(text):
                problems.append("no remedy in the message")
        record.problems += [one for one in problems if one not in record.problems]
    if record.reached == 0:
        record.problems.append("not reached")


_REMEDY = re.compile(
    r"(?i)\b(check|allow|raise|lower|renew|give|grant|upgrade|update|retry|retries|tries|clear|correct|narrow)\b"
)


def _said(run: TaskRun) -> Any:
    return None if run.error is None else [type(run.error).__name__, str(run.error)[:600]]


# What boto3 and aiobotocore say, each in its own words, of a connection that breaks, and what they call it.
_BROKEN = re.compile(r"(Connection was closed|Could not connect|An HTTP Client raised|\d+ read, but total).*?\((?=\d)")
_BROKEN_CODE = re.compile(r'"(ConnectionClosed|EndpointConnection|HTTPClient|IncompleteRead)Error"')


def _comparable(run: TaskRun) -> Any:
    """What is to be the same in each mode."""
    whole = json.dumps(run.comparable(), sort_keys=True)
    whole = re.sub(r"127\.0\.0\.1:\d+|answers_\d+", "<connection>", whole)
    whole = re.sub(r"created(At)?Before=[^&\" ]*", "<before>", whole)
    # How soon a session that is ready is idle is chance.
    whole = whole.replace('"STARTED"', '"IDLE"').replace('"The session is ready."', '"The session is idle."')
    whole = whole.replace('"idle_since": "<time>"', '"idle_since": null')
    whole = _BROKEN_CODE.sub('"<the connection broke>"', _BROKEN.sub("<the connection broke> (", whole))
    return json.loads(re.sub(r"\b\d+(\.\d+)? (s|attempts)\b", r"<n> \2", whole))


def _ask_for_all(request: Request) -> Request:
    """A listing of what is new, too: the service need not care when what was made that a worker has lost."""
    return replace(request, target=re.sub(r"&?created(At)?(Before|After)=[^&]*", "", request.target))
