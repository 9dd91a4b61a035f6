"""Amazon EMR release labels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_emrs_ext.local.base.errors import validation_error

Release = tuple[int, int, int]

_VERSION = r"emr-([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{1,2})"


@dataclass(frozen=True)
class Catalog:
    """The releases of one service.

    :param product: the service's name for people
    :param series: major version to its first and last minor version; ``None``: more are still being released
    :param variants: what may follow the version in a label, as a regular expression, with an example
    """

    product: str
    series: Mapping[int, tuple[int, int | None]]
    variants: tuple[str, str] = ("", "")

    def parse(self, label: str) -> Release:
        """The version behind a release label.

        :param label: ``releaseLabel``
        :raises ApiError: no release has this label
        """
        pattern, example = self.variants
        match = re.fullmatch(_VERSION + pattern, label)
        if match is None:
            raise validation_error(
                f"releaseLabel: {label!r} is no release label, emr-X.Y.Z{example} such as emr-7.5.0{example}"
            )
        major, minor, patch = (int(part) for part in match.groups()[:3])
        first, last = self.series.get(major, (1, 0))
        if minor < first or (last is not None and minor > last):
            oldest = min(self.series)
            raise validation_error(
                f"releaseLabel: {self.product} has no release {label}; the first is"
                f" emr-{oldest}.{self.series[oldest][0]}.0{example}"
            )
        return major, minor, patch
