"""What the links lead to: made when somebody clicks, with the task's own connection, and kept nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from airflow_emrs_ext import settings
from airflow_emrs_ext._compat import AirflowException
from airflow_emrs_ext.exceptions import EmrError, RequestRejected, ResourceNotFound, ServiceUnavailable
from airflow_emrs_ext.hooks.serverless import EmrServerlessHook
from airflow_emrs_ext.models import JOB_RUN, OWNED, DrivenKind
from airflow_emrs_ext.plugin import console
from airflow_emrs_ext.plugin.turns import Turns
from airflow_emrs_ext.refusals import is_passing
from airflow_emrs_ext.secrecy import keep_secrets_out_of_logs
from airflow_emrs_ext.states import JobRunState
from airflow_emrs_ext.steps import Call, Patience
from airflow_emrs_ext.waiting import patiently

PATIENCE_SECONDS = 8.0
"""How long a click waits for a service that throttles or does not answer."""

_S3_URL_SECONDS = 300
_AGAIN_SECONDS = 5
# The quota of both operations that mint dashboards, per account and Region; other web servers may use it, too.
_DASHBOARDS = Turns(rate=1, burst=2)
_NOT_YET = frozenset({JobRunState.SUBMITTED, JobRunState.QUEUED, JobRunState.PENDING, JobRunState.SCHEDULED})


class NoTarget(Exception):
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


def is_record(record: Mapping[str, Any]) -> bool:
    """Whether an XCom is one that a task has stored for its links; another may have its name."""
    kind = OWNED.get(str(record.get("kind")))
    return kind is not None and all(isinstance(record.get(name), str) for name in kind.id_names)


class Work:
    """The job run or session of a task, as the task's own connection sees it.

    :param record: what the task has stored as :data:`~airflow_emrs_ext.links.runs.RECORD`
    :param attempt: of the job run; default: the latest
    """

    def __init__(self, record: Mapping[str, Any], attempt: int | None = None) -> None:
        keep_secrets_out_of_logs()
        self.kind = OWNED[record["kind"]]
        self.ids = {name: str(record[name]) for name in self.kind.id_names}
        self.attempt = attempt
        self.connection = {name: record.get(name) for name in ("aws_conn_id", "region_name", "verify")}

    @cached_property
    def hook(self) -> EmrServerlessHook:
        """The hook of the task."""
        return EmrServerlessHook(**self.connection, patience=Patience(call_patience=PATIENCE_SECONDS))

    @cached_property
    def described(self) -> dict[str, Any]:
        """As the service describes it."""
        described = self.kind.describe(self.ids)
        attempt = {} if self.attempt is None else {"attempt": self.attempt}
        call = Call(described.operation, {**described.parameters, **attempt})
        return self.hook.run(patiently(call, self.hook.terms))

    @cached_property
    def facts(self) -> dict[str, Any]:
        """As the operators report them."""
        return self.kind.read(self.ids, self.described).facts

    @cached_property
    def application(self) -> dict[str, Any]:
        """The application as the service describes it; empty to those who may not read it."""
        try:
            return self.hook.get_application(self.ids["application_id"])
        except RequestRejected:
            return {}

    @cached_property
    def locations(self) -> dict[str, Any]:
        """Where the logs are, application defaults included."""
        assert isinstance(self.kind, DrivenKind)
        return self.kind.log_locations(self.facts, self.application.get("monitoringConfiguration", {}))

    @property
    def region(self) -> str:
        """The Region that the connection leads to."""
        return str(self._client.meta.region_name)

    @property
    def _client(self) -> Any:
        return self.hook.conn

    @property
    def console(self) -> str:
        """The address of the AWS console.

        :raises NoTarget: there is none that is known
        """
        partition = self._client.meta.partition
        if address := console.console(partition, self.region):
            return address
        raise NoTarget(404, "No console", f"The console of the partition {partition} is not known.")

    def require_start(self) -> None:
        """Nothing but a page can be shown of what has not begun.

        :raises NoTarget: it has not
        """
        state = self.facts["state"]
        if self.kind is JOB_RUN and state in _NOT_YET:
            raise NoTarget(
                409,
                "Not started yet",
                f"The job run is {state}: it has no driver yet. This page tries again by itself.",
                again_after=_AGAIN_SECONDS,
                earlier=self.facts["attempt"] - 1,
            )

    def require_ui(self) -> None:
        """The built-in UIs need the service's managed storage.

        :raises NoTarget: it is switched off
        """
        if not self.locations["managed_storage"]:
            raise NoTarget(
                404,
                "Managed logs are switched off",
                "The service keeps the Spark UI in its managed storage, which the monitoring configuration of this "
                "run or of its application switches off. The logs are where that configuration puts them.",
            )

    def dashboard(self) -> str:
        """A new URL of the UI, good once and for an hour.

        :raises NoTarget: there is none
        """
        if not _DASHBOARDS.take((self.connection["aws_conn_id"], self.connection["region_name"]), PATIENCE_SECONDS):
            raise _busy("Too many people are opening dashboards at once.")
        application_id, work_id = self.ids.values()
        try:
            if self.kind is JOB_RUN:
                url = self.hook.get_dashboard_for_job_run(application_id, work_id, attempt=self.attempt)
            else:
                url = self.hook.get_resource_dashboard(application_id, work_id)
        except RequestRejected as error:
            if error.facts.get("code") != "ValidationException":
                raise
            said = f"The service has none to show, and keeps none for more than 30 days. {error.message}"
            raise NoTarget(409, "No dashboard", said) from error
        if url is None:
            raise NoTarget(
                409,
                "Not started yet",
                f"{self.kind.label(self.ids)} is {self.facts['state']} and has no dashboard.",
                again_after=_AGAIN_SECONDS if OWNED[self.kind.key].states(self.facts["state"]).is_active else None,
            )
        return url

    def s3_object(self, s3_uri: str) -> str:
        """A URL of an object on S3 that is good for five minutes, and shows it as text.

        :raises NoTarget: it cannot be read, or is not there
        """
        bucket, _, key = s3_uri.partition("://")[2].partition("/")
        s3: Any = AwsBaseHook(**self.connection, client_type="s3", config=Config(signature_version="s3v4")).conn
        try:
            s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            raise self._missing(s3_uri, int(error.response["ResponseMetadata"]["HTTPStatusCode"]), error) from error
        shown = {"ResponseContentType": "text/plain; charset=utf-8", "ResponseContentEncoding": "gzip"}
        parameters = {"Bucket": bucket, "Key": key, **shown}
        return str(s3.generate_presigned_url("get_object", Params=parameters, ExpiresIn=_S3_URL_SECONDS))

    def _missing(self, s3_uri: str, status: int, error: Exception) -> NoTarget:
        if status == 404 and self.kind.states(self.facts["state"]).is_active:
            text = f"{s3_uri} is not there yet: the service writes it about every 15 seconds."
            return NoTarget(404, "Not there yet", text, again_after=_AGAIN_SECONDS)
        if status == 404:
            text = f"{s3_uri} is not there: the driver has not run, or its log has been deleted."
            return NoTarget(404, "No such log", text)
        if status == 403:
            return _refused(
                f"The connection {self.connection['aws_conn_id']} may not read {s3_uri}, or it is not there: "
                "s3:GetObject is needed, and s3:ListBucket to tell the two apart."
            )
        raise error


def spark_ui(work: Work) -> str:
    """The UI of a job run's attempt, or of a session."""
    work.require_start()
    work.require_ui()
    return work.dashboard()


def driver_log(work: Work, name: str) -> str:
    """A log of the driver, wherever it is: on S3, in managed storage, in CloudWatch."""
    work.require_start()
    locations = work.locations
    if locations["s3_uri"]:
        # With a bucket of the user's own the service keeps the logs of the workers there and nowhere else.
        return work.s3_object(f"{locations['s3_uri']}{name}.gz")
    if locations["managed_storage"]:
        return log_url(work.dashboard(), f"{work.facts['type']}_DRIVER", name)
    if group := locations["cloudwatch_log_group"]:
        stream = f"{locations['cloudwatch_log_stream_prefix']}/{name}"
        return console.log_stream(work.console, work.region, group, stream)
    raise NoTarget(
        404,
        "No logs are kept",
        "The monitoring configuration switches managed storage off and names neither a bucket nor a log group.",
    )


def log_url(dashboard_url: str, worker_type: str, name: str) -> str:
    """The URL of a log in managed storage: that of the dashboard with another path."""
    url = urlsplit(dashboard_url)
    return urlunsplit(url._replace(path=f"{url.path.rstrip('/')}/logs/{worker_type}/{name}.gz"))


def console_page(work: Work) -> str:
    """The page of a job run or session, as far as it is known where that is."""
    if url := settings.studio_url():
        return console.studio(url, *work.ids.values())
    return console.emr(work.console, work.region)


def s3_logs(work: Work) -> str:
    """The folder of the logs in the S3 console."""
    if not (s3_uri := work.locations["s3_uri"]):
        raise NoTarget(404, "No logs on S3", "The monitoring configuration names no bucket.")
    folder, _, _ = s3_uri.rstrip("/").rpartition("/")
    return console.s3_folder(work.console, work.region, f"{folder}/")


def cloudwatch_logs(work: Work) -> str:
    """The streams of the logs in the CloudWatch console."""
    locations = work.locations
    if not (group := locations["cloudwatch_log_group"]):
        raise NoTarget(404, "No logs in CloudWatch", "The monitoring configuration does not switch CloudWatch on.")
    prefix, _, _ = locations["cloudwatch_log_stream_prefix"].rpartition("/")
    return console.log_streams(work.console, work.region, group, f"{prefix}/")


TARGETS: Mapping[str, Callable[[Work], str]] = {
    "spark-ui": spark_ui,
    "driver-stdout": lambda work: driver_log(work, "stdout"),
    "driver-stderr": lambda work: driver_log(work, "stderr"),
    "session-dashboard": spark_ui,
    "console": console_page,
    "s3-logs": s3_logs,
    "cloudwatch-logs": cloudwatch_logs,
}
"""What each link's word leads to: a URL.

:raises NoTarget: there is none now
"""


def target(what: str, record: Mapping[str, Any], attempt: int | None = None) -> str:
    """The URL that a link leads to now; it may be a secret.

    :param what: key of :data:`TARGETS`
    :raises NoTarget: there is none
    """
    with explained():
        return TARGETS[what](Work(record, attempt))


@contextmanager
def explained() -> Iterator[None]:
    """A block whose calls may fail, in words for a person.

    :raises NoTarget: one did
    """
    try:
        yield
    except ServiceUnavailable as error:
        raise _busy(error.message) from error
    except ResourceNotFound as error:
        raise NoTarget(
            404,
            "Not found at AWS",
            f"{error.message} The service forgets job runs and sessions after a while; their logs on S3 and in "
            "CloudWatch stay.",
        ) from error
    except (EmrError, ClientError, BotoCoreError, AirflowException) as error:
        if isinstance(error, (ClientError, BotoCoreError)) and is_passing(error):
            raise _busy(str(error)) from error
        raise _refused(str(error)) from error


def _busy(text: str) -> NoTarget:
    said = f"{text} The link is good: this page tries again by itself."
    return NoTarget(503, "The service is busy", said, again_after=_AGAIN_SECONDS)


def _refused(text: str) -> NoTarget:
    return NoTarget(502, "AWS refuses", text)
