"""The releases of EMR on EC2 and what each of them offers."""

from __future__ import annotations

from collections.abc import Callable

from airflow_emrs_ext.local.base.releases import Catalog, Release

_SESSIONS: Release = (8, 0, 0)
_PARALLEL_STEPS: Release = (5, 28, 0)

parse_release: Callable[[str], Release] = Catalog(
    "EMR on EC2", {5: (0, 36), 6: (0, 15), 7: (0, None), 8: (0, None)}
).parse
"""The version behind a release label such as ``emr-7.5.0``; see :meth:`~.releases.Catalog.parse`."""


def has_sessions(release: Release) -> bool:
    """Whether the clusters of a release have sessions."""
    return release >= _SESSIONS


def has_parallel_steps(release: Release) -> bool:
    """Whether the clusters of a release can run several steps at once, and cancel those that run."""
    return release >= _PARALLEL_STEPS
