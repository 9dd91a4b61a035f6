"""The releases of EMR Serverless and what each of them offers."""

from __future__ import annotations

from collections.abc import Callable

from airflow_emrs_ext.local.base.releases import Catalog, Release

QUEUING: Release = (7, 0, 0)
QUEUING_BY_DEFAULT: Release = (7, 3, 0)
LONGEST_BATCH_TIMEOUT: Release = (7, 11, 0)

parse_release: Callable[[str], Release] = Catalog(
    "EMR Serverless", {6: (6, 15), 7: (0, None), 8: (0, None)}, has_preview=True
).parse
"""The version behind a release label such as ``emr-7.5.0``; see :meth:`~.releases.Catalog.parse`."""
