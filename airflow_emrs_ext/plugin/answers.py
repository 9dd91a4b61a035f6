"""What the web server answers to a click, whatever framework it is made of: a redirect, or a page that says why not."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_emrs_ext.core.redaction import hidden_in
from airflow_emrs_ext.links.runs import LINKS, RunLink, SparkUILink
from airflow_emrs_ext.plugin.clicks import Click, url_path
from airflow_emrs_ext.plugin.pages import AGAIN_SECONDS, SCRIPT, Alternative, page

log: logging.Logger = logging.getLogger(__name__)

HEADERS: Mapping[str, str] = {
    # What an answer leads to is good once, and a secret.
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PAGE_HEADERS: Mapping[str, str] = {
    **HEADERS,
    # No scripts; in a frame of Airflow's own UI and no other.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
}

_SOON_SECONDS = 1


@dataclass(frozen=True)
class Answer:
    """An HTTP answer.

    :param location: where to; ``None``: ``body`` is a page
    """

    status: int
    location: str | None = None
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: HEADERS)

    def as_json(self) -> dict[str, Any]:
        """For a script that has asked in the place of the browser."""
        return {"location": self.location, "page": self.body}


def prepare() -> None:
    """Import what a click needs, where whoever clicks first would keep a worker from all others meanwhile."""
    try:
        from airflow_emrs_ext.plugin import run_view, targets  # noqa: F401
    except Exception:
        # A click says what is the matter; the web server has other pages.
        log.exception("The pages of EMR job runs cannot be imported")


def answer(click: Click) -> Answer:
    """The answer to somebody who may read the logs of the task."""
    try:
        return _answer(click)
    except Exception as error:
        log.exception("No answer to a click on %s", click.path)
        text = (
            f"The answer could not be made ({type(error).__name__}); the web server's log says why. What the task has "
            "started goes on. If it stays so, this version of airflow-emrs-ext may not know this version of Airflow."
        )
        return problem(500, "Not possible", text)


def _answer(click: Click) -> Answer:
    # Only who clicks pays for the import of what a click needs.
    from airflow_emrs_ext.plugin.records import record_of
    from airflow_emrs_ext.plugin.run_view import run_view
    from airflow_emrs_ext.plugin.targets import checked, explained, target
    from airflow_emrs_ext.plugin.unsubmitted import explanation
    from airflow_emrs_ext.plugin.views import LinkUnavailable, view_of
    from airflow_emrs_ext.resources import BILLABLE

    what, place = click.what, click.place
    if not _has(what, *LINKS):
        return problem(404, "No such link", f"There is no link «{what}».")
    record = record_of(place)
    if record is None:
        title, text, again_after = explanation(place)
        return problem(404, title, text, again_after=again_after)
    if not _has(what, record.kind):
        text = f"{BILLABLE[record.kind].name}s have no such page."
        return problem(404, "No such link", text, alternatives=_others(click, record.kind))
    try:
        if what == RunLink.what:
            with explained(record):
                view = view_of(record, click.attempt)
                others = checked(_others(click, record.kind), view)
                return scripted(run_view(view, others, lambda number: url_path(SparkUILink.what, place, number)))
        return Answer(307, location=target(what, record, click.attempt))
    except LinkUnavailable as none:
        return problem(
            none.status,
            none.title,
            none.text,
            alternatives=[
                *(Alternative(f"Attempt {n}", url_path(what, place, n), what) for n in range(1, none.earlier + 1)),
                *_others(click, record.kind),
            ],
            again_after=none.again_after,
        )


def busy() -> Answer:
    """To somebody for whom there is no place, or none in time."""
    text = "Too many people have clicked at once, or AWS is slow. The link is good: this page tries again by itself."
    return problem(503, "Busy", text, again_after=AGAIN_SECONDS)


def asking() -> Answer:
    """To somebody who is to come back for the answer in a moment, so that nobody is kept waiting meanwhile."""
    return problem(202, "Asking AWS", "This page goes on by itself.", again_after=_SOON_SECONDS)


def no_such_link() -> Answer:
    """To whatever is no path of a link."""
    return problem(404, "No such link", "The address is none of this package's links.")


def problem(
    status: int, title: str, text: str, *, alternatives: list[Alternative] | None = None, again_after: int | None = None
) -> Answer:
    """A page that says what is the matter."""
    headers = dict(_PAGE_HEADERS)
    if again_after is not None:
        headers["Retry-After"] = str(again_after)
    return Answer(status, body=page(title, hidden_in(text), alternatives or [], again_after), headers=headers)


def scripted(page: str) -> Answer:
    """A page with this package's own scripts, and none that somebody else could have put into it."""
    nonce = secrets.token_urlsafe(16)
    policy = f"{_PAGE_HEADERS['Content-Security-Policy']}; script-src 'nonce-{nonce}'; connect-src 'self'"
    body = page.replace(SCRIPT, f'<script nonce="{nonce}">')
    return Answer(200, body=body, headers={**_PAGE_HEADERS, "Content-Security-Policy": policy})


def forbidden() -> Answer:
    """To somebody who is logged in and may not read the task's logs."""
    return problem(403, "Not permitted", "You may not read the logs of this task. Ask who administers this Airflow.")


def _has(what: str, *kinds: str) -> bool:
    """Whether one of the kinds has a link of this word."""
    return any(link.what == what for kind in kinds for link in LINKS[kind])


def _others(click: Click, kind: str) -> list[Alternative]:
    """The other links of the same task and attempt."""
    others = [link for link in LINKS[kind] if link.what != click.what]
    return [Alternative(link.name, url_path(link.what, click.place, click.attempt), link.what) for link in others]
