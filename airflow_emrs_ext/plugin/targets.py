"""What the links lead to: made when somebody clicks, with the task's own connection, and kept nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from airflow_emrs_ext._compat import AirflowException
from airflow_emrs_ext.core.redaction import hidden_in
from airflow_emrs_ext.exceptions import EmrError, ResourceNotFound, ServiceUnavailable
from airflow_emrs_ext.plugin import console
from airflow_emrs_ext.plugin.pages import Alternative
from airflow_emrs_ext.plugin.records import Record
from airflow_emrs_ext.plugin.views import DrivenRunView, LinkUnavailable, RunView, view_of
from airflow_emrs_ext.plugin.views.base import again, refused
from airflow_emrs_ext.resources import BILLABLE
from airflow_emrs_ext.resources.api_errors import is_passing
from airflow_emrs_ext.workflows.driver_logs.sources import log_url

Lead = Callable[[], str]
"""Makes the URL of a link, which may be a secret and good once."""


def spark_ui(view: DrivenRunView) -> Lead:
    """The UI of a job run's attempt, or of a session."""
    # First what no start changes: nobody is to wait for one in vain, or to be led to attempts that have no UI either.
    view.require_ui(view.facts)
    view.require_start(view.facts)
    return view.ui


def driver_log(view: DrivenRunView, name: str) -> Lead:
    """A log of the driver, wherever it is: on S3, in managed storage, in CloudWatch."""
    if not any(view.locations[place] for place in ("s3_uri", "managed_storage", "cloudwatch_log_group")):
        raise LinkUnavailable(
            404, "No logs are kept", "The monitoring configuration names neither a bucket nor a log group."
        )
    view.require_start(view.facts)
    locations = view.driver_locations
    if locations["s3_uri"]:
        # With a bucket of the user's own the service keeps the logs of the workers there and nowhere else.
        return _to(view.s3_object(f"{locations['s3_uri']}{name}.gz"))
    if locations["managed_storage"]:
        view.require_ui(view.facts)
        return lambda: log_url(view.ui(), f"{view.facts['type']}_DRIVER", name)
    stream = f"{locations['cloudwatch_log_stream_prefix']}/{name}"
    return _to(console.log_stream(view.console, view.region, locations["cloudwatch_log_group"], stream))


def s3_logs(view: DrivenRunView) -> Lead:
    """The folder of the logs in the S3 console."""
    if not (s3_uri := view.locations["s3_uri"]):
        raise LinkUnavailable(404, "No logs on S3", "The monitoring configuration names no bucket.")
    return _to(console.s3_folder(view.console, view.region, view.logs_folder(s3_uri)))


def cloudwatch_logs(view: DrivenRunView) -> Lead:
    """The streams of the logs in the CloudWatch console."""
    locations = view.locations
    if not (group := locations["cloudwatch_log_group"]):
        raise LinkUnavailable(
            404, "No logs in CloudWatch", "The monitoring configuration does not switch CloudWatch on."
        )
    prefix, _, _ = locations["cloudwatch_log_stream_prefix"].rpartition("/")
    return _to(console.log_streams(view.console, view.region, group, f"{prefix}/"))


def _to(url: str) -> Lead:
    return lambda: url


TARGETS: Mapping[str, Callable[[Any], Lead]] = {
    "spark-ui": spark_ui,
    "driver-stdout": lambda view: driver_log(view, "stdout"),
    "driver-stderr": lambda view: driver_log(view, "stderr"),
    "session-dashboard": spark_ui,
    "console": lambda view: _to(view.console_page()),
    "s3-logs": s3_logs,
    "cloudwatch-logs": cloudwatch_logs,
}
"""What each link's word leads to, for the :class:`~airflow_emrs_ext.plugin.views.RunView` of a kind that has it.

What can be known without asking for a new address is found out first; what it returns asks for it.

:raises LinkUnavailable: there is none now
"""


def target(what: str, record: Record, attempt: int | None = None) -> str:
    """The URL that a link leads to now; it may be a secret.

    :param what: key of :data:`TARGETS`, of a link that the kind has
    :raises LinkUnavailable: there is none
    """
    with explained(record):
        return TARGETS[what](view_of(record, attempt))()


def checked(links: Iterable[Alternative], view: RunView) -> list[Alternative]:
    """The links, those that are known to lead nowhere now with the reason.

    No address is asked for, so another reason may come with the click. Once AWS does not answer nothing is known of
    those that follow.

    :param view: what they are about
    :raises LinkUnavailable: nothing may be shown of it
    """
    _ = view.described
    found: list[Alternative] = []
    is_silent = False
    for link in links:
        try:
            with explained(view.record):
                if not is_silent:
                    TARGETS[link.what](view)
        except LinkUnavailable as none:
            is_silent = none.status == HTTPStatus.SERVICE_UNAVAILABLE
            if not is_silent:
                link = link._replace(why_not=hidden_in(f"{none.title}. {none.text}"))
        found.append(link)
    return found


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
