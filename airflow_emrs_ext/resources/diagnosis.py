"""Why a job run failed, and what to do: what is made of the service's words, and of the driver's log."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from airflow_emrs_ext.resources.known_failures import JOB_RUN_FAILURES
from airflow_emrs_ext.resources.remedy import remedy_for


@dataclass(frozen=True)
class Diagnosis:
    """Why a job run has failed.

    :param exception: the line of the driver's log that says it, e.g. ``ValueError: boom``
    :param place: where in the user's own code, e.g. ``job.py, line 5``
    :param why: what is behind it, if it is a known failure
    :param advice: what to do then
    """

    exception: str = ""
    place: str = ""
    why: str = ""
    advice: str = ""

    def as_facts(self) -> dict[str, Any]:
        """The diagnosis as plain JSON."""
        return asdict(self)

    def sentences(self, details: str) -> str:
        """What failed, why, and what to do, in prose.

        :param details: the service's own words
        """
        said = " ".join(details.split()).rstrip(". ") or "the service gave no details"
        where = f" ({self.place})" if self.place else ""
        if not self.exception:
            what = f"{said}{where}"
        elif _is_part(self.exception, said):
            what = said if self.place and self.place in said else f"{said}{where}"
        else:
            what = f"{said}. The driver said: {self.exception.rstrip('. ')}{where}"
        return " ".join(part for part in (f"{what}.", self.why, self.advice) if part)


def diagnose(
    state: str, details: str, *, exception: str = "", place: str = "", log: str = "", service: str
) -> Diagnosis:
    """Why a job run has failed.

    :param details: the service's own words
    :param exception: the line of the driver's log that says it, if it was found
    :param place: where in the user's own code
    :param log: the lines of the driver's log that matter
    :param service: botocore's name of the one that ran it
    """
    table = [remedy for remedy in JOB_RUN_FAILURES if remedy.only in ("", service)]
    exception = " ".join(exception.split())
    # What the program itself raised says more than what happened around it.
    for said in (exception, f"{state} {' '.join(details.split())}", " ".join(log.split())):
        if found := remedy_for(said, table):
            return Diagnosis(exception, place, found.why, found.advice)
    return Diagnosis(exception, place)


def _is_part(exception: str, said: str) -> bool:
    """Whether the service's words, which it cuts, have the exception."""
    return exception.rstrip(". ") in said or (len(said) > 100 and said.rstrip("… ")[-60:] in exception)
