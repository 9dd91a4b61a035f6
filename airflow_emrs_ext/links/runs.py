"""The links of a task that runs on Amazon EMR: on EMR Serverless or on EKS.

A link is the address of a route that this package's plugin serves in Airflow's own web server. What it leads to is made
when somebody clicks: it may be a secret, good once and for an hour, and is kept nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from airflow_emrs_ext._compat import BaseOperatorLink, link_base, push_links
from airflow_emrs_ext.ownership import identity_of

ROUTE = "emr"
"""Where the web server serves the route, below Airflow's own address."""

RECORD = "emr_run"
"""The XCom that tells the web server what a task has started, and with which connection it may ask about it."""


def path_of(what: str, identity: Mapping[str, Any], attempt: int | None = None) -> str:
    """The path of a link, relative to Airflow's address.

    :param what: the link's :attr:`EmrLink.what`
    :param identity: of the task instance, see :func:`~airflow_emrs_ext.ownership.identity_of`; what it has beyond
        DAG, run, task and index is the path's query
    :param attempt: of the job run; default: the latest
    """
    further = dict(identity)
    parts = [ROUTE, what, *(further.pop(name) for name in ("dag_id", "run_id", "task_id", "map_index"))]
    path = "/".join(quote(str(part), safe="") for part in (parts if attempt is None else [*parts, attempt]))
    return f"{path}?{urlencode(further)}" if further else path


def show_links(operator: Any, ti: Any, kind: str, ids: Mapping[str, str]) -> None:
    """Let the links of a task lead somewhere from now on.

    :param operator: an operator of this package
    :param ti: its task instance, which stores plain JSON without any secret
    :param kind: key of :data:`~airflow_emrs_ext.models.OWNED`
    :param ids: of what the task has started
    """
    connection = {name: getattr(operator, name) for name in ("aws_conn_id", "region_name", "verify")}
    ti.xcom_push(key=RECORD, value={"kind": kind, **ids, **connection})
    push_links(operator, ti)


class EmrLink(BaseOperatorLink):
    """Base of the links."""

    what: ClassVar[str]
    """The link's word in its address."""

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The address, the same for all tries of a task."""
        return link_base() + path_of(self.what, identity_of(ti_key))


class SparkUILink(EmrLink):
    """The Spark UI (Tez UI for Hive) of a job run: live while it runs, the history server afterwards.

    Of a job run of EMR on EKS it is the persistent one.
    """

    name = "Spark UI"
    what = "spark-ui"


class DriverStdoutLink(EmrLink):
    """What the driver of a job run prints."""

    name = "Driver stdout"
    what = "driver-stdout"


class DriverStderrLink(EmrLink):
    """The driver's log of a job run."""

    name = "Driver stderr"
    what = "driver-stderr"


class SessionDashboardLink(EmrLink):
    """The Spark UI of a session."""

    name = "Session dashboard"
    what = "session-dashboard"


class ConsoleLink(EmrLink):
    """The page in the EMR console: of EMR on EKS that of the virtual cluster.

    Of EMR Serverless it is that of the job run or session in EMR Studio, if ``[emrs_ext] studio_url`` names one.
    """

    name = "EMR console"
    what = "console"


class S3LogsLink(EmrLink):
    """The folder of the logs in the S3 console."""

    name = "S3 logs"
    what = "s3-logs"


class CloudWatchLogsLink(EmrLink):
    """The streams of the logs in the CloudWatch console."""

    name = "CloudWatch logs"
    what = "cloudwatch-logs"


class RunLink(EmrLink):
    """A page of this package that shows at a glance what the task has started."""

    name = "EMR run"
    what = "run"


_OF_A_JOB_RUN = (
    RunLink(),
    SparkUILink(),
    DriverStdoutLink(),
    DriverStderrLink(),
    ConsoleLink(),
    S3LogsLink(),
    CloudWatchLogsLink(),
)

LINKS: Mapping[str, tuple[EmrLink, ...]] = {
    "job_run": _OF_A_JOB_RUN,
    "session": (RunLink(), SessionDashboardLink(), ConsoleLink(), S3LogsLink(), CloudWatchLogsLink()),
    "eks_job_run": _OF_A_JOB_RUN,
    "managed_endpoint": (RunLink(), ConsoleLink()),
}
"""The links of each kind of :data:`~airflow_emrs_ext.models.OWNED`."""
