"""The pages that people see instead of what they have clicked on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from html import escape
from typing import NamedTuple

_STYLE = """
:root {
  color-scheme: light dark;
  --line: light-dark(#d0d7de, #3d444d); --soft: light-dark(#57606a, #9198a1); --link: light-dark(#0969da, #4493f8)
}
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 42rem; padding: 0 1.5rem }
h1 { font-size: 1.35rem; margin: 0 0 .5rem; overflow-wrap: anywhere }
h2 { font-size: 1rem; margin: 1.5rem 0 .5rem }
p, li, small { overflow-wrap: anywhere }
small, .soft { color: var(--soft) }
a { color: var(--link) }
nav ul { display: flex; flex-wrap: wrap; gap: .5rem; list-style: none; margin: 0 0 .5rem; padding: 0 }
nav a { border: 1px solid var(--line); border-radius: .4rem; display: block; padding: .15rem .7rem }
nav a { text-decoration: none }
nav a:hover, nav a:focus-visible { border-color: currentColor }
nav p { color: var(--soft); font-size: .9rem; margin: .25rem 0 }
@media (max-width: 30rem) { body { margin: 1rem auto; padding: 0 1rem } }
"""


AGAIN_SECONDS = 5
"""After how many seconds a page tries again where that helps."""

SCRIPT = "<script>"
"""How a script of this package begins in a page. Nobody else's text can: it is escaped."""


class Alternative(NamedTuple):
    """Another link that is worth a try.

    :param what: the link's word in its address
    :param why_not: why it leads nowhere now, for a person; empty: it leads somewhere, as far as is known
    """

    name: str
    path: str
    what: str
    why_not: str = ""


def page(title: str, text: str, alternatives: Sequence[Alternative], again_after: int | None = None) -> str:
    """A page that says what is the matter.

    :param again_after: seconds after which the browser loads it again
    """
    refresh = "" if again_after is None else reloaded(again_after)
    return document(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>{links(alternatives)}", refresh)


def links(alternatives: Sequence[Alternative]) -> str:
    """The links of the same task: buttons, and why the others lead nowhere now."""
    items = "".join(
        f'<li><a href="{escape(one.path)}">{escape(one.name)}</a></li>' for one in alternatives if not one.why_not
    )
    reasons: dict[str, list[str]] = {}
    for one in alternatives:
        if one.why_not:
            reasons.setdefault(one.why_not, []).append(one.name)
    lines = "".join(f"<p><b>{escape(', '.join(names))}:</b> {escape(why)}</p>" for why, names in reasons.items())
    buttons = f"<ul>{items}</ul>" if items else ""
    return f"<nav><h2>Links</h2>{buttons}{lines}</nav>" if alternatives else ""


def time_element(moment: datetime) -> str:
    """A time in UTC, which a script of this package turns into that of the reader's time zone."""
    moment = moment.astimezone(timezone.utc)
    return f'<time datetime="{moment.isoformat()}">{moment:%Y-%m-%d %H:%M:%S} UTC</time>'


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
