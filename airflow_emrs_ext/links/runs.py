"""The links of a task that runs on Amazon EMR: on EMR Serverless, on EKS or on EC2.

A link is the address of a route that this package's plugin serves in Airflow's own web server. What it leads to is made
when somebody clicks: it may be a secret, good once and for an hour, and is kept nowhere.

The address follows from the task instance. Airflow 2 asks for it when somebody looks, and so does the API server of
Airflow 3 for links that a plugin has for operators of a certain name (:data:`OPERATORS`). For those of any other
operator, such as a subclass of a user's, workers of Airflow 3 store an XCom for each link and try.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from airflow_emrs_ext._compat import AIRFLOW_3, BaseOperatorLink, link_base, push_links
from airflow_emrs_ext.aws.ownership_tags import identity_of

ROUTE = "emr"
"""Where the web server serves the route, below Airflow's own address."""

RECORD = "emr_run"
"""The XCom that tells the web server what a task has started; that it has, and with which connection, others say."""


def path_of(what: str, identity: Mapping[str, Any], attempt: int | None = None) -> str:
    """The path of a link, relative to Airflow's address.

    :param what: the link's :attr:`EmrLink.what`
    :param identity: of the task instance, see :func:`~airflow_emrs_ext.aws.ownership_tags.identity_of`; what it has
        beyond DAG, run, task and index is the path's query
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
    :param kind: key of :data:`~airflow_emrs_ext.resources.BILLABLE`
    :param ids: of what the task has started
    """
    ti.xcom_push(key=RECORD, value={"kind": kind, **ids})
    push_links(operator, ti)


class EmrLink(BaseOperatorLink):
    """Base of the links."""

    what: ClassVar[str]
    """The link's word in its address."""

    @property
    def operators(self) -> list[type]:  # type: ignore[override]  # Airflow's is an attribute of the class
        """What stands for the operators whose tasks have the link, for the plugin: Airflow compares their names."""
        kinds = [kind for kind, links in LINKS.items() if type(self) in map(type, links)]
        places = [place.rpartition(".") for kind in kinds for place in OPERATORS[kind]]
        return [type(name, (), {"__module__": f"airflow_emrs_ext.{module}"}) for module, _, name in places]

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
    """The page in the EMR console: of EMR on EKS that of the virtual cluster, of EMR on EC2 that of the cluster.

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
    "cluster_session": (RunLink(), ConsoleLink()),
    "step": (RunLink(), DriverStdoutLink(), DriverStderrLink(), ConsoleLink(), S3LogsLink()),
}
"""The links of each kind of :data:`~airflow_emrs_ext.resources.BILLABLE`."""

OPERATORS: Mapping[str, tuple[str, ...]] = {
    "job_run": ("operators.job_run.EmrServerlessStartJobRunOperator", "operators.emr.EmrServerlessStartJobOperator"),
    "session": (
        "operators.session.EmrServerlessStartSessionOperator",
        "operators.spark.EmrServerlessSparkSqlOperator",
        "decorators.session_tasks.SessionTask",
        "decorators.session_tasks.ExternalSessionTask",
        "decorators.session_tasks.VirtualenvSessionTask",
    ),
    "eks_job_run": (
        "operators.containers_job_run.EmrContainersStartJobRunOperator",
        "operators.emr.EmrContainerOperator",
    ),
    "managed_endpoint": ("operators.managed_endpoint.EmrContainersCreateManagedEndpointOperator",),
    "cluster_session": ("operators.ec2_session.EmrOnEc2StartSessionOperator",),
    "step": ("operators.ec2_step.EmrOnEc2AddStepOperator",),
}
"""The operators of this package that have the links of each kind, below it."""

_OF_THE_PLUGIN = {f"airflow_emrs_ext.{place}" for places in OPERATORS.values() for place in places}


class LinksOf:
    """An operator class's ``operator_extra_links``: what workers store, which is nothing where the plugin has them.

    :param kind: key of :data:`LINKS`
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __get__(self, instance: object, owner: type) -> tuple[EmrLink, ...]:
        has_plugin = AIRFLOW_3 and f"{owner.__module__}.{owner.__qualname__}" in _OF_THE_PLUGIN
        return () if has_plugin else LINKS[self.kind]
