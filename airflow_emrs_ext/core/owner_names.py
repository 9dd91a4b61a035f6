"""Whose something is, said in its name: for what a service takes no tags and no client token.

Such a name ends with digests: ``etl.load [emrs-ext <owner>.<deployment>.<request>.<generation>.<token>]``. They are the
same in each try, tell nothing to whoever reads them, and mean as tags what tags of those names mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

PREFIX = "airflow-emrs-ext:"
"""What the names of the package's tags begin with."""

OWNER, DEPLOYMENT = f"{PREFIX}owner", f"{PREFIX}deployment"
"""The tags whose values are digests: of everything that names a task, and of the Airflow that runs it."""

REQUEST, GENERATION = f"{PREFIX}request", f"{PREFIX}generation"
"""The tags that tell the parameters of a request, and its place among those of its task."""

_TOKEN_DIGITS = 16
_MARK = re.compile(
    r"(?s)(?P<name>.*) \[emrs-ext (?P<owner>[0-9a-f]{16})\.(?P<deployment>[0-9a-f]{8})\.(?P<request>[0-9a-f]{16})"
    rf"\.(?P<generation>[0-9]{{1,6}})\.(?P<token>[0-9a-f]{{{_TOKEN_DIGITS}}})\]"
)

LONGEST_MARK = len(" [emrs-ext ") + 16 + 8 + 16 + 6 + _TOKEN_DIGITS + len("....]")
"""How many characters the digests add to a name at most."""


def marked_name(name: str, tags: Mapping[str, str], token: str) -> str:
    """A name that says whose it is.

    :param tags: with the values of all four
    :param token: the client token that the service does not take
    """
    parts = (tags[OWNER], tags[DEPLOYMENT], tags[REQUEST], tags[GENERATION], token[:_TOKEN_DIGITS])
    return f"{name} [emrs-ext {'.'.join(parts)}]"


def name_in(name: str) -> str:
    """A name without what says whose it is."""
    found = _MARK.fullmatch(name)
    return found["name"] if found else name


def tags_in(name: str) -> dict[str, str]:
    """The tags that a name says; none: it is not of this package's making."""
    found = _MARK.fullmatch(name)
    tags = {OWNER: "owner", DEPLOYMENT: "deployment", REQUEST: "request", GENERATION: "generation"}
    return {tag: found[group] for tag, group in tags.items()} if found else {}


def has_token(name: str, token: str) -> bool:
    """Whether a name has been made with a client token."""
    found = _MARK.fullmatch(name)
    return found is not None and found["token"] == token[:_TOKEN_DIGITS]
