"""What the links lead to: made when somebody clicks, with the task's own connection, and kept nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from airflow_emrs_ext._compat import AirflowException
from airflow_emrs_ext.exceptions import EmrError, ResourceNotFound, ServiceUnavailable
from airflow_emrs_ext.plugin import console
from airflow_emrs_ext.plugin.records import Record
from airflow_emrs_ext.plugin.views import DrivenRunView, LinkUnavailable, view_of
from airflow_emrs_ext.plugin.views.base import again, refused
from airflow_emrs_ext.resources import BILLABLE
from airflow_emrs_ext.resources.api_errors import is_passing
from airflow_emrs_ext.workflows.driver_logs.sources import log_url


def spark_ui(view: DrivenRunView) -> str:
    """The UI of a job run's attempt, or of a session."""
    view.require_start()
    return view.ui()


def driver_log(view: DrivenRunView, name: str) -> str:
    """A log of the driver, wherever it is: on S3, in managed storage, in CloudWatch."""
    view.require_start()
    locations = view.driver_locations
    if locations["s3_uri"]:
        # With a bucket of the user's own the service keeps the logs of the workers there and nowhere else.
        return view.s3_object(f"{locations['s3_uri']}{name}.gz")
    if locations["managed_storage"]:
        return log_url(view.ui(), f"{view.facts['type']}_DRIVER", name)
    if group := locations["cloudwatch_log_group"]:
        stream = f"{locations['cloudwatch_log_stream_prefix']}/{name}"
        return console.log_stream(view.console, view.region, group, stream)
    raise LinkUnavailable(
        404, "No logs are kept", "The monitoring configuration names neither a bucket nor a log group."
    )


def s3_logs(view: DrivenRunView) -> str:
    """The folder of the logs in the S3 console."""
    if not (s3_uri := view.locations["s3_uri"]):
        raise LinkUnavailable(404, "No logs on S3", "The monitoring configuration names no bucket.")
    folder, _, _ = s3_uri.rstrip("/").rpartition("/")
    return console.s3_folder(view.console, view.region, f"{folder}/")


def cloudwatch_logs(view: DrivenRunView) -> str:
    """The streams of the logs in the CloudWatch console."""
    locations = view.locations
    if not (group := locations["cloudwatch_log_group"]):
        raise LinkUnavailable(
            404, "No logs in CloudWatch", "The monitoring configuration does not switch CloudWatch on."
        )
    prefix, _, _ = locations["cloudwatch_log_stream_prefix"].rpartition("/")
    return console.log_streams(view.console, view.region, group, f"{prefix}/")


TARGETS: Mapping[str, Callable[[Any], str]] = {
    "spark-ui": spark_ui,
    "driver-stdout": lambda view: driver_log(view, "stdout"),
    "driver-stderr": lambda view: driver_log(view, "stderr"),
    "session-dashboard": spark_ui,
    "console": lambda view: view.console_page(),
    "s3-logs": s3_logs,
    "cloudwatch-logs": cloudwatch_logs,
}
"""What each link's word leads to: a URL, for the :class:`~airflow_emrs_ext.plugin.views.RunView` of a kind that has it.

:raises LinkUnavailable: there is none now
"""


def target(what: str, record: Record, attempt: int | None = None) -> str:
    """The URL that a link leads to now; it may be a secret.

    :param what: key of :data:`TARGETS`, of a link that the kind has
    :raises LinkUnavailable: there is none
    """
    with explained(record):
        return TARGETS[what](view_of(record, attempt))


@contextmanager
def explained(record: Record) -> Iterator[None]:
    """A block whose calls may fail, in words for a person.

    :param record: what the calls are about
    :raises LinkUnavailable: one did
    """
    try:
        yield
    except ServiceUnavailable as error:
        cause = error.__cause__
        raise again(cause if isinstance(cause, Exception) else None, error.message, record) from error
    except ResourceNotFound as error:
        raise LinkUnavailable(
            404,
            "Not found at AWS",
            f"{error.message} The service forgets what has ended after a while; the logs on S3 and in CloudWatch stay.",
        ) from error
    except (EmrError, ClientError, BotoCoreError, AirflowException) as error:
        if isinstance(error, (ClientError, BotoCoreError)) and is_passing(error, BILLABLE[record.kind].service):
            raise again(error, str(error), record) from error
        raise refused(str(error)) from error
