"""Amazon EMR release labels and what each release offers."""

from __future__ import annotations

import re

from airflow_emrs_ext.local.errors import validation_error

Release = tuple[int, int, int]

QUEUING: Release = (7, 0, 0)
RETRIES: Release = (7, 1, 0)
QUEUING_BY_DEFAULT: Release = (7, 3, 0)
LONGEST_BATCH_TIMEOUT: Release = (7, 11, 0)
SESSIONS: Release = (7, 13, 0)

_LABEL = re.compile(r"emr-([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{1,2})")
_FIRST: Release = (6, 6, 0)
_LAST_MINOR = {6: 15}
"""The series that is complete; the minor versions of the current one are still being released."""
_CURRENT_SERIES = 7


def parse_release(label: str) -> Release:
    """The version behind a release label such as ``emr-7.5.0``.

    :param label: ``releaseLabel``
    :raises ApiError: no release of EMR Serverless has this label
    """
    match = _LABEL.fullmatch(label)
    if match is None:
        raise validation_error(f"releaseLabel: {label!r} is no release label, emr-X.Y.Z such as emr-7.5.0")
    major, minor, patch = (int(part) for part in match.groups())
    known = major == _CURRENT_SERIES or minor <= _LAST_MINOR.get(major, -1)
    if not known or (major, minor, patch) < _FIRST:
        raise validation_error(f"releaseLabel: EMR Serverless has no release {label}; the first is emr-6.6.0")
    return major, minor, patch
