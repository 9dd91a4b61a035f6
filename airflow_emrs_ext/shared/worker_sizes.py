"""The sizes of workers that EMR Serverless offers, and how sizes are written."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

FREE_DISK_GB = 20.0
"""Storage of a worker that costs nothing; also the least and the default."""

MOST_DISK_GB = {"standard": 200.0, "shuffle_optimized": 2000.0}
"""The most storage of a worker, by the type of disk."""

LEAST_OVERHEAD_MB = 384.0
"""The least memory that Spark adds to a heap."""

OVERHEAD_FACTOR = 0.1
"""The share of a heap that Spark adds to it by default."""

# As Spark: neither a fraction nor a blank before the unit.
_JVM_SIZE = re.compile(r"([0-9]+)([kmgtp]?)b?", re.IGNORECASE)
_UNITS_MB = {"k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0**2, "p": 1024.0**3}


class MemoryRange(NamedTuple):
    """The memory in GB that goes with a number of vCPUs."""

    least: int
    most: int
    step: int

    def holding(self, memory_gb: float) -> int | None:
        """The smallest memory on offer that holds an amount; ``None``: the largest does not."""
        # What is a step but for the rounding of the amount is that step.
        steps = max(0, math.ceil((memory_gb - self.least) / self.step - 1e-9))
        stepped = self.least + steps * self.step
        return stepped if stepped <= self.most else None


SUPPORTED = {
    1: MemoryRange(2, 8, 1),
    2: MemoryRange(4, 16, 1),
    4: MemoryRange(8, 30, 1),
    8: MemoryRange(16, 60, 4),
    16: MemoryRange(32, 120, 8),
}
"""The memory of workers, by their vCPUs."""


def size_mb(text: str, unit: str = "m") -> float | None:
    """A size as Spark and Hive write it, in MB; ``None``: it is none.

    :param text: e.g. ``4g``, ``512m``; a bare number counts in ``unit``
    :param unit: unit of a bare number: ``k``, ``m``, ``g`` or ``t``
    """
    match = _JVM_SIZE.fullmatch(text.strip())
    return float(match[1]) * _UNITS_MB[match[2].lower() or unit] if match else None
