"""What a task has started, as the task's own connection sees it: what every kind has in common."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from airflow_emrs_ext.aws.retry import patiently
from airflow_emrs_ext.core.effects import Call, Effects, RunContext, WaitPolicy
from airflow_emrs_ext.core.lockless import lockless_property
from airflow_emrs_ext.core.redaction import keep_secrets_out_of_logs
from airflow_emrs_ext.plugin import console
from airflow_emrs_ext.plugin.pages import AGAIN_SECONDS
from airflow_emrs_ext.plugin.records import Record
from airflow_emrs_ext.plugin.views.connecting import PageHook
from airflow_emrs_ext.plugin.views.workers import Workers
from airflow_emrs_ext.resources import BILLABLE, EndableKind, JobRunKind, Snapshot, SparkDriver
from airflow_emrs_ext.resources.api_errors import UnreadableAnswer
from airflow_emrs_ext.shared.states import State

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE_SECONDS = 5.0
"""How long the calls of a click are repeated while the service throttles or does not answer; the last may go on."""

_S3_URL_SECONDS = 300


class LinkUnavailable(Exception):
    """The link leads nowhere now, and why, for a person.

    :param status: of the HTTP answer
    :param again_after: seconds after which another try is worth it; ``None``: it is not
    :param earlier: how many attempts came before this one, and may have more to show
    """

    def __init__(self, status: int, title: str, text: str, *, again_after: int | None = None, earlier: int = 0) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.text = text
        self.again_after = again_after
        self.earlier = earlier


def again(error: Exception | None, text: str, record: Record) -> LinkUnavailable:
    """Somebody who tries again has a good chance.

    :param error: what a call has ended with
    :param record: what it was about
    """
    title = "The service is busy"
    if isinstance(error, BotoCoreError):
        title = "AWS does not answer"
    elif isinstance(error, UnreadableAnswer):
        title = "AWS gives no answer that can be read"
    named = {**record.ids, **{name: value for name, value in (record.connection or {}).items() if value}}
    asked = ", ".join(f"{name} {value}" for name, value in named.items())
    said = f"{text} Asked for {asked}. The link is good: this page tries again by itself."
    return LinkUnavailable(503, title, said, again_after=AGAIN_SECONDS)


def refused(text: str) -> LinkUnavailable:
    """Trying again does not help."""
    return LinkUnavailable(502, "AWS refuses", text)


class RunView(ABC):
    """What a task has started; one subclass for each kind of :data:`~airflow_emrs_ext.resources.BILLABLE`.

    :param record: what the task says of it
    :param attempt: of the job run; default: the latest
    """

    def __init__(self, record: Record, attempt: int | None = None) -> None:
        keep_secrets_out_of_logs()
        self.record = record
        self.kind: EndableKind[State] = BILLABLE[record.kind]
        self.ids: dict[str, str] = dict(record.ids)
        self.attempt = attempt
        self._until = time.monotonic() + PATIENCE_SECONDS

    @abstractmethod
    def console_page(self) -> str:
        """Its page in the console, as far as it is known where that is."""

    @property
    def about(self) -> Mapping[str, Any]:
        """Facts of what it runs on."""
        return {}

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """The attempts with the times of each, as far as the service tells them."""
        return []

    @property
    def workers(self) -> list[Workers]:
        """The workers that it has, or had, minute by minute, as far as somebody tells.

        :raises EmrError: they do not tell
        """
        return []

    def waits_for_start(self, facts: Mapping[str, Any]) -> bool:
        """Whether it, or an attempt, is known to be on its way to what it was started for.

        :param facts: its own, or those of the attempt
        """
        state = self.kind.states.parse(facts["state"])
        goals = (
            [self.kind.running] if isinstance(self.kind, JobRunKind) else [s for s in self.kind.states if s.is_success]
        )
        return state.is_known and state not in goals and state.can_reach(goals)

    def never_started(self, facts: Mapping[str, Any]) -> bool:
        """Whether it, or an attempt, is known to have ended without a start.

        Older versions of boto3 tell neither time, and EMR on EKS does not say when something has started.

        :param facts: its own, or those of the attempt
        """
        has_ended = self.kind.states.parse(facts["state"]).is_terminal and bool(facts.get("ended_at"))
        return has_ended and "started_at" in facts and facts["started_at"] is None

    def ended_at(self, facts: Mapping[str, Any]) -> datetime | None:
        """When it, or an attempt, ended; ``None``: it has not, or nobody tells.

        :param facts: its own, or those of the attempt
        """
        is_over = self.kind.states.parse(facts["state"]).is_terminal
        told = (facts.get("ended_at") or facts.get("updated_at")) if is_over else None
        return None if told is None else datetime.fromisoformat(told)

    @property
    def connection(self) -> Mapping[str, Any]:
        """``aws_conn_id``, ``region_name`` and ``verify`` of the task.

        :raises LinkUnavailable: they are not known
        """
        if self.record.connection is None:
            raise LinkUnavailable(
                404,
                "The connection of the task is not known any more",
                "Airflow keeps what templates were rendered to for the newest DAG runs only, and the DAG itself does "
                "not say it: `aws_conn_id`, `region_name` or `verify` is templated, or mapped. Write them plainly, or "
                "raise [core] num_dag_runs_to_retain_rendered_fields (before Airflow 3.2 "
                "max_num_rendered_ti_fields_per_task).",
            )
        return self.record.connection

    @lockless_property
    def hook(self) -> PageHook:
        """The hook of the task."""
        return PageHook(**self.connection)

    @property
    def run_context(self) -> RunContext:
        """How long a click still waits."""
        # Who has no access gets to know it at once: each click reads the connection anew.
        wait_policy = WaitPolicy(call_patience=self.seconds_left, access_patience=0.0)
        return replace(self.hook.run_context, wait_policy=wait_policy)

    @property
    def seconds_left(self) -> float:
        """How long calls are still repeated."""
        return max(0.0, self._until - time.monotonic())

    def ask(self, effects: Callable[Concatenate[RunContext, P], Effects[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer to an API call of the package.

        :raises LinkUnavailable: what it would tell of is not shown to be the task's
        """
        _ = self.described  # nothing else is asked before it is shown to be the task's
        return self.hook.run(effects(self.run_context, *args, **kwargs))

    @lockless_property
    def described(self) -> dict[str, Any]:
        """The answer of the service that describes it.

        :raises LinkUnavailable: it is not shown to be the task's
        """
        snapshot, described = self.hook.run(patiently(self._describe(), self.run_context, self._read))
        if not self.record.is_shown_by(snapshot.facts["tags"]):
            raise LinkUnavailable(
                403,
                "Not shown to be this task's",
                f"{self.kind.label(self.ids)} does not carry the tags of this task, and an XCom alone is no reason to "
                "show it: who may edit XComs may not choose what this server's credentials are used for. A task tags "
                "what it starts, unless [emrs_ext] default_tags is off; with a client token of your own it may be "
                "another task's. The AWS console shows it to whom AWS permits that.",
            )
        return described

    def _describe(self) -> Call:
        return self.kind.describe(self.ids)

    def _read(self, described: dict[str, Any]) -> tuple[Snapshot, dict[str, Any]]:
        return self.kind.observe(self.ids, described), described

    @lockless_property
    def facts(self) -> dict[str, Any]:
        """As the operators report them."""
        return self.kind.read(self.ids, self.described).facts

    @property
    def region(self) -> str:
        """The Region that the connection leads to."""
        return str(self._client.meta.region_name)

    @lockless_property
    def _client(self) -> Any:
        return self.hook.client(self.kind.service)

    @property
    def console(self) -> str:
        """The address of the AWS console.

        :raises LinkUnavailable: there is none that is known
        """
        partition = self._client.meta.partition
        if address := console.console(partition, self.region):
            return address
        raise LinkUnavailable(404, "No console", f"The console of the partition {partition} is not known.")


class DrivenRunView(RunView):
    """What a Spark driver works for."""

    logs_come_every: ClassVar[str] = "15 seconds"
    """How often the service writes the driver's logs to S3."""

    @abstractmethod
    def ui(self) -> str:
        """A new URL of the Spark UI, good once.

        :raises LinkUnavailable: there is none
        """

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The MonitoringConfiguration of what it runs on."""
        return {}

    @lockless_property
    def locations(self) -> dict[str, Any]:
        """Where the logs are, defaults included."""
        assert isinstance(self.kind, SparkDriver)
        return self.kind.log_locations(self.facts, self.defaults)

    @property
    def driver_locations(self) -> Mapping[str, Any]:
        """Where the logs of the driver are, as :attr:`locations`.

        :raises LinkUnavailable: that is not known yet
        """
        return self.locations

    def logs_folder(self, s3_uri: str) -> str:
        """The folder of its logs on S3, beside those of the driver those of others.

        :param s3_uri: of the driver's logs
        """
        folder, _, _ = s3_uri.rstrip("/").rpartition("/")
        return f"{folder}/"

    def require_start(self, facts: Mapping[str, Any]) -> None:
        """Nothing but a page can be shown of what has not begun.

        :param facts: its own, or those of an attempt
        :raises LinkUnavailable: it has not
        """
        earlier = facts.get("attempt", 1) - 1
        number = f", attempt {earlier + 1}," if earlier else ""
        state = f"{self.kind.label(self.ids)}{number} is {facts['state']}"
        if self.never_started(facts):
            text = f"{state}: it ended before its driver started, so it has neither a Spark UI nor a driver log."
            raise LinkUnavailable(409, "Never started", text, earlier=earlier)
        if self.waits_for_start(facts):
            text = f"{state}: it has no driver yet. This page tries again by itself."
            raise LinkUnavailable(409, "Not started yet", text, again_after=AGAIN_SECONDS, earlier=earlier)

    def require_ui(self, facts: Mapping[str, Any]) -> None:
        """Refuse where it is known without asking for an address that there is no UI.

        :param facts: its own, or those of an attempt
        :raises LinkUnavailable: there is none
        """

    def may_have_ui(self, facts: Mapping[str, Any]) -> bool:
        """Whether a click on the Spark UI leads somewhere, as far as is known without asking for an address.

        :param facts: its own, or those of an attempt
        """
        try:
            self.require_start(facts)
            self.require_ui(facts)
        except LinkUnavailable:
            return False
        return True

    @property
    def is_active(self) -> bool:
        """Whether it goes on."""
        return self.kind.states.parse(self.facts["state"]).is_active

    @lockless_property
    def _s3(self) -> Any:
        return PageHook(**self.connection, more=Config(signature_version="s3v4")).client("s3")

    def s3_object(self, s3_uri: str) -> str:
        """A URL of an object on S3 that is good for five minutes, and shows it as text.

        :raises LinkUnavailable: it cannot be read, or is not there
        """
        bucket, _, key = s3_uri.partition("://")[2].partition("/")
        s3 = self._s3
        try:
            s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            status = int(error.response["ResponseMetadata"]["HTTPStatusCode"])
            if status == 404:
                raise self.missing(s3_uri) from error
            if status == 403:
                raise refused(
                    f"The connection {self.connection['aws_conn_id']} may not read {s3_uri}, or it is not there: "
                    "s3:GetObject is needed, and s3:ListBucket to tell the two apart."
                ) from error
            raise
        shown = {"ResponseContentType": "text/plain; charset=utf-8", "ResponseContentEncoding": "gzip"}
        parameters = {"Bucket": bucket, "Key": key, **shown}
        return str(s3.generate_presigned_url("get_object", Params=parameters, ExpiresIn=_S3_URL_SECONDS))

    def missing(self, place: str) -> LinkUnavailable:
        """A log is not there."""
        if self.is_active:
            text = f"{place} is not there yet: the service writes it about every {self.logs_come_every}."
            earlier = self.facts.get("attempt", 1) - 1
            return LinkUnavailable(404, "Not there yet", text, again_after=AGAIN_SECONDS, earlier=earlier)
        return LinkUnavailable(
            404, "No such log", f"{place} is not there: the driver has not run, or its log has been deleted."
        )
