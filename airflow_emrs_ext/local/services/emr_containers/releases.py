"""The releases of EMR on EKS and what each of them offers."""

from __future__ import annotations

from collections.abc import Callable

from airflow_emrs_ext.local.base.releases import Catalog, Release

RETRIES: Release = (6, 9, 0)
_SPARK_CONNECT: Release = (7, 14, 0)
_SPARK_CONNECT_OF_8: Release = (8, 1, 0)

# A label ends with -latest or the date of an image, after a word such as spark-rapids or java17. Without any of them
# it is taken as well: whether the service does is not known. Before it there may be notebook-spark/ and the like.
parse_release: Callable[[str], Release] = Catalog(
    "EMR on EKS", {5: (32, 36), 6: (2, 15), 7: (0, None), 8: (0, None)}, "-latest"
).parse
"""The version behind a release label such as ``emr-7.5.0-latest``; see :meth:`~.releases.Catalog.parse`."""


def serves_spark_connect(release: Release) -> bool:
    """Whether a release has managed endpoints for Spark Connect."""
    return release >= (_SPARK_CONNECT if release < (8, 0, 0) else _SPARK_CONNECT_OF_8)
