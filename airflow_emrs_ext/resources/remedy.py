"""What to do about what is known to go wrong: an entry of a table, and how it is found."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple


class Remedy(NamedTuple):
    """What to do about something that was said with words that match ``pattern``.

    :param why: what is behind it, where the words themselves do not say
    :param only: the service that says it, or whose users may do so; empty: each
    """

    pattern: str
    advice: str
    why: str = ""
    only: str = ""


def remedy_for(said: str, table: Iterable[Remedy]) -> Remedy | None:
    """The first entry of a table that fits."""
    return next((remedy for remedy in table if re.search(remedy.pattern, said)), None)
