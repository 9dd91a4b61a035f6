"""What the tasks of the fault tests start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.resources import EKS_JOB_RUN, JOB_RUN, SESSION, EndableKind
from airflow_emrs_ext.shared.states import State

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of resource, as the endpoint records it.

    :param model: the package's own
    :param start: the operation that starts one, in the API's spelling
    :param get: the one that describes it
    :param record_id: the member of a record that is its id
    :param make_place: makes what it runs on, with the name of a scenario; its id
    :param records: those of a place, oldest first
    :param argument: the argument that a record's task has rendered
    :param report: the operations after the end of a wait
    """

    model: EndableKind[State]
    start: str
    get: str
    record_id: str
    make_place: Callable[[LocalEmr, str], str]
    records: Callable[[LocalEmr, str], list[dict[str, Any]]]
    argument: Callable[[Record], str]
    report: tuple[str, ...] = ()

    @property
    def is_job_run(self) -> bool:
        """Whether it ends by itself."""
        return self.model is not SESSION

    @property
    def list(self) -> str:
        """The operation that lists them."""
        return f"{self.start.replace('Start', 'List')}s"

    @property
    def over(self) -> set[str]:
        """The states in which one has ended."""
        return {str(state) for state in self.model.states if state.is_terminal}


def _application(emr: LocalEmr, name: str) -> str:
    return str(
        emr.client("emr-serverless").create_application(
            releaseLabel="emr-7.13.0",
            type="SPARK",
            interactiveConfiguration={"sessionEnabled": True},
            # What is held in RUNNING has its own place: the default is 15 at once.
            schedulerConfiguration={"maxConcurrentRuns": 1000},
        )["applicationId"]
    )


def _virtual_cluster(emr: LocalEmr, name: str) -> str:
    number = f"faults-{len(emr.virtual_clusters())}"
    provider = {"type": "EKS", "id": "eks", "info": {"eksInfo": {"namespace": number}}}
    return str(emr.client("emr-containers").create_virtual_cluster(name=number, containerProvider=provider)["id"])


_SERVERLESS_JOB_RUN = Kind(
    model=JOB_RUN,
    start="StartJobRun",
    get="GetJobRun",
    record_id="jobRunId",
    make_place=_application,
    records=lambda emr, place: emr.job_runs(place),
    argument=lambda one: str(one["jobDriver"]["sparkSubmit"]["entryPointArguments"][0]),
    report=("GetApplication",),
)
KINDS: Mapping[str, Kind] = {
    "job_run": _SERVERLESS_JOB_RUN,
    "session": Kind(
        model=SESSION,
        start="StartSession",
        get="GetSession",
        record_id="sessionId",
        make_place=_application,
        records=lambda emr, place: emr.sessions(place),
        argument=lambda one: str(one["idleTimeoutMinutes"]),
    ),
    "eks_job_run": Kind(
        model=EKS_JOB_RUN,
        start="StartJobRun",
        get="DescribeJobRun",
        record_id="id",
        make_place=_virtual_cluster,
        records=lambda emr, place: emr.eks_job_runs(place),
        argument=lambda one: str(one["jobDriver"]["sparkSubmitJobDriver"]["entryPointArguments"][0]),
    ),
    "amazon_job_run": _SERVERLESS_JOB_RUN,
}

OWN = {name: kind for name, kind in KINDS.items() if name != "amazon_job_run"}
"""Those of this package."""
