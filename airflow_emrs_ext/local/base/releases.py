"""Amazon EMR release labels, and the software behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from airflow_emrs_ext.local.base.errors import validation_error

Release = tuple[int, int, int]

PREVIEW: Release = (8, 0, -1)
"""The release ``emr-spark-8.0-preview``, before ``emr-spark-8.0.0``."""

_VERSION = re.compile(
    r"(?:[a-z-]+/)?emr-(?P<spark>spark-)?(?:(?P<major>[0-9]{1,2})\.(?P<minor>[0-9]{1,2})\.(?P<patch>[0-9]{1,2})"
    r"|8\.0-preview)(?P<variant>-[0-9A-Za-z_.-]+)?"
)
# From this version on labels name Spark.
_FIRST_OF_SPARK = 8

_SPARK: Mapping[int, Mapping[int, str]] = {
    5: {32: "2.4.7", 34: "2.4.8"},
    6: {2: "3.0.1", 3: "3.1.1", 4: "3.1.2", 6: "3.2.0", 7: "3.2.1", 8: "3.3.0", 10: "3.3.1", 11: "3.3.2", 12: "3.4.0"}
    | {13: "3.4.1"},
    7: {0: "3.5.0", 2: "3.5.1", 4: "3.5.2", 6: "3.5.3", 8: "3.5.4", 9: "3.5.5", 11: "3.5.6", 14: "3.5.8"},
    8: {0: "4.0.2", 1: "4.1.1"},
}
"""Major version to the minor versions that brought a Spark, from the release pages of EMR Serverless and EMR on EKS."""

_PYTHON: Mapping[int, Mapping[int, str]] = {5: {0: "3.7"}, 6: {0: "3.7"}, 7: {0: "3.9", 13: "3.11"}, 8: {0: "3.11"}}
"""The same for the Python that jobs run on unless they choose another."""

_JAVA: Mapping[int, int] = {5: 8, 6: 8}
"""The Java of a major version; of all others it is 17."""

_NEWEST_KNOWN: Mapping[int, int] = {5: 36, 6: 15, 7: 14, 8: 1}


RELEASES_OF: Mapping[tuple[int, int], str] = {
    (3, 5): "emr-7.0.0 and later",
    (4, 0): "emr-spark-8.0-preview, emr-spark-8.0.0",
    (4, 1): "emr-spark-8.1.0",
}
"""The releases with a line of Spark that can run on this machine, for people; older ones run on the oldest."""


@dataclass(frozen=True)
class Software:
    """What a release has.

    :param spark: version of Spark
    :param python: minor version of the Python that jobs run on
    :param java: major version of Java
    :param is_known: whether the release is one that this package knows; of a newer one it is a guess
    """

    spark: str
    python: str
    java: int
    is_known: bool = True

    def __str__(self) -> str:
        guessed = "" if self.is_known else " (a guess: it is newer than this package)"
        return f"Spark {self.spark}, Python {self.python} and Java {self.java}{guessed}"


@dataclass(frozen=True)
class Catalog:
    """The releases of one service.

    :param product: the service's name for people
    :param series: major version to its first and last minor version; ``None``: more are still being released
    :param variants: whether something may come before and after the version in a label, with an example
    :param has_preview: whether ``emr-spark-8.0-preview`` is one of them
    """

    product: str
    series: Mapping[int, tuple[int, int | None]]
    variants: str = ""
    has_preview: bool = False

    def parse(self, label: str) -> Release:
        """The version behind a release label.

        :param label: ``releaseLabel``
        :raises ApiError: no release has this label
        """
        match, release = _read(label)
        plain = match is not None and not match["variant"] and "/" not in label
        if match is None or release is None or not (plain or self.variants):
            raise validation_error(
                f"releaseLabel: {label!r} is no release label, emr-X.Y.Z{self.variants} such as"
                f" emr-7.5.0{self.variants}"
            )
        if release == PREVIEW and self.has_preview:
            return release
        major, minor, _ = release
        if bool(match["spark"]) != (major >= _FIRST_OF_SPARK):
            raise validation_error(
                f"releaseLabel: {self.product} has no release {label}; there may be {label_of(release)}"
            )
        first, last = self.series.get(major, (1, 0))
        if minor < first or (last is not None and minor > last) or release == PREVIEW:
            oldest = min(self.series)
            raise validation_error(
                f"releaseLabel: {self.product} has no release {label}; the first is"
                f" emr-{oldest}.{self.series[oldest][0]}.0{self.variants}"
            )
        return release


def software_of(label: str) -> Software:
    """What the release with a label has.

    :param label: a release label that a :class:`Catalog` takes
    :raises ValueError: it is none
    """
    _, release = _read(label)
    if release is None:
        raise ValueError(f"{label!r} is no release label")
    if release == PREVIEW:
        return Software("4.0.1", "3.9", 17)
    major, minor, _ = release
    known = min(major, max(_SPARK))
    return Software(
        _since(_SPARK[known], minor),
        _since(_PYTHON[known], minor),
        _JAVA.get(major, 17),
        is_known=major == known and minor <= _NEWEST_KNOWN[known],
    )


def label_of(release: Release) -> str:
    """The label of a release, e.g. ``emr-7.1.0`` or ``emr-spark-8.0.0``."""
    major, minor, patch = release
    return f"emr-{'spark-' if major >= _FIRST_OF_SPARK else ''}{major}.{minor}.{max(0, patch)}"


def newer_release(label: str, release: Release) -> Iterator[str]:
    """Why a release cannot be taken that is newer than this package: nothing is known of what it has.

    :param label: a release label that a :class:`Catalog` takes
    :param release: the same, as numbers
    """
    if not software_of(label).is_known:
        newest = label_of((release[0], _NEWEST_KNOWN[release[0]], 0))
        yield f"releaseLabel: {label} is newer than what this version of the package knows, {newest}"


def _read(label: str) -> tuple[re.Match[str] | None, Release | None]:
    match = _VERSION.fullmatch(label)
    if match is None:
        return None, None
    if match["major"] is None:
        return match, PREVIEW if match["spark"] else None
    return match, (int(match["major"]), int(match["minor"]), int(match["patch"]))


def _since(table: Mapping[int, str], minor: int) -> str:
    """What the last minor version up to this one brought; before the first: what the first did."""
    return table[max((first for first in table if first <= minor), default=min(table))]
