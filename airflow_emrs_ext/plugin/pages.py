"""The pages that people see instead of what they have clicked on."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

_STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #57606a; --link: #0969da }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #9198a1; --link: #4493f8 } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 42rem; padding: 0 1.5rem }
h1 { font-size: 1.35rem; margin: 0 0 .5rem }
p { overflow-wrap: anywhere }
nav { border-top: 1px solid var(--line); margin-top: 1.5rem; padding-top: 1rem }
nav p, small { color: var(--soft); margin: 0 0 .5rem }
a { color: var(--link) }
ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 0; padding: 0 }
"""


AGAIN_SECONDS = 5
"""After how many seconds a page tries again where that helps."""

SCRIPT = "<script>"
"""How a script of this package begins in a page. Nobody else's text can: it is escaped."""


class Alternative(NamedTuple):
    """Another link that is worth a try."""

    name: str
    path: str


def page(title: str, text: str, alternatives: Sequence[Alternative], again_after: int | None = None) -> str:
    """A page that says what is the matter.

    :param again_after: seconds after which the browser loads it again
    """
    refresh = "" if again_after is None else reloaded(again_after)
    return document(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>{links(alternatives)}", refresh)


def links(alternatives: Sequence[Alternative]) -> str:
    """A list of links of the same task."""
    items = "".join(f'<li><a href="{escape(one.path)}">{escape(one.name)}</a></li>' for one in alternatives)
    return f"<nav><p>Of the same task:</p><ul>{items}</ul></nav>" if items else ""


def reloaded(seconds: int) -> str:
    """For the head of a page that the browser loads again after so many seconds."""
    return f'<meta http-equiv="refresh" content="{seconds}">'


def script_page(title: str, script: str) -> str:
    """A page whose script does what the browser cannot do by itself; ``script`` is this package's own text."""
    return document(title, f'<h1 id="title">{escape(title)}</h1><p id="text"></p>{SCRIPT}{script}</script>')


def document(title: str, body: str, head: str = "") -> str:
    """A whole page; ``body`` and ``head`` are markup."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · EMR</title>'
        f'<meta name="viewport" content="width=device-width">{head}<style>{_STYLE}</style></head>'
        f"<body>{body}</body></html>"
    )
