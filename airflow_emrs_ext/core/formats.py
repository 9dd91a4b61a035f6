"""What workers, triggerers and journals of different versions tell each other, and what a reader makes of it.

Each of them writes plain JSON that another version may read: a trigger's arguments, its event, an entry of the journal.

- **What is added may be ignored.** A reader takes the fields that it knows. A writer leaves out a field that came after
  the first release as long as it says no more than its default, so that older readers, too, have nothing to ignore.
- **What must not be ignored raises the number of the format** (``format``; without it: 1). A reader that meets a higher
  number does nothing: a trigger waits for a newer triggerer, a worker fails its try and leaves what runs to the next,
  an entry stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any

FORMAT = 1
"""The newest format that is known here."""

_BY_NAME = (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def is_newer(written: Mapping[str, Any]) -> bool:
    """Whether what another has written is of a format that is not known here."""
    number = written.get("format", 1)
    return not isinstance(number, int) or number > FORMAT


def known(taker: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some arguments that a callable takes by name, or hands on to the one that it wraps."""
    names: set[str] = set()
    one: Callable[..., Any] | None = taker
    while one is not None:
        parameters = signature(one, follow_wrapped=False).parameters
        names |= {name for name, each in parameters.items() if each.kind in _BY_NAME}
        one = getattr(one, "__wrapped__", None)
    return {name: value for name, value in given.items() if name in names}
