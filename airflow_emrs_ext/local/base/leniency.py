"""Requests that AWS refuses by its user guides, which ``--lenient`` takes."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from airflow_emrs_ext.local.base.errors import validation_error

_log = logging.getLogger(__name__)


def enforce(problems: Iterable[str], lenient: bool) -> None:
    """Refuse a request for the first of its problems, or log them all.

    :param problems: sentences; each begins with the parameter
    :param lenient: the endpoint was told to take such requests
    :raises ApiError: there is one, and it was not
    """
    for problem in problems:
        if not lenient:
            raise validation_error(problem)
        _log.warning("taken because of --lenient, though AWS refuses it: %s", problem)
