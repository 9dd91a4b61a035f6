"""What the web server answers to a click, whatever framework it is made of: a redirect, or a page that says why not."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_emrs_ext.links.runs import LINKS, RunLink, SparkUILink, path_of
from airflow_emrs_ext.plugin._compat import base_path, record_of
from airflow_emrs_ext.plugin.pages import SCRIPT, Alternative, page

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


@dataclass(frozen=True)
class Place:
    """A task instance, as a path names it."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int


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


def answer(what: str, place: Place, attempt: int | None = None) -> Answer:
    """The answer to somebody who may read the logs of the task.

    :param what: the link's word
    :param attempt: of the job run; default: the latest
    """
    # Only who clicks pays for the import of what a click needs.
    from airflow_emrs_ext.plugin.run_view import run_view
    from airflow_emrs_ext.plugin.targets import TARGETS, NoTarget, Work, explained, is_record, target

    if what not in (*TARGETS, RunLink.what):
        return problem(404, "No such link", f"There is no link «{what}».")
    record = record_of(place)
    if record is None or not is_record(record):
        return problem(
            404,
            "Nothing submitted yet",
            "This task has not submitted anything to EMR, or is just being tried again. The link leads "
            "somewhere as soon as it has.",
        )
    try:
        if what == RunLink.what:
            with explained():
                return scripted(
                    run_view(
                        Work(record, attempt),
                        _others(what, record["kind"], place, attempt),
                        lambda number: url_path(SparkUILink.what, place, number),
                    )
                )
        return Answer(307, location=target(what, record, attempt))
    except NoTarget as none:
        return problem(
            none.status,
            none.title,
            none.text,
            alternatives=[
                *(Alternative(f"Attempt {n}", url_path(what, place, n)) for n in range(1, none.earlier + 1)),
                *_others(what, record["kind"], place, attempt),
            ],
            again_after=none.again_after,
        )


def problem(
    status: int, title: str, text: str, *, alternatives: list[Alternative] | None = None, again_after: int | None = None
) -> Answer:
    """A page that says what is the matter."""
    headers = dict(_PAGE_HEADERS)
    if again_after is not None:
        headers["Retry-After"] = str(again_after)
    return Answer(status, body=page(title, text, alternatives or [], again_after), headers=headers)


def scripted(page: str) -> Answer:
    """A page with this package's own scripts, and none that somebody else could have put into it."""
    nonce = secrets.token_urlsafe(16)
    policy = f"{_PAGE_HEADERS['Content-Security-Policy']}; script-src 'nonce-{nonce}'; connect-src 'self'"
    body = page.replace(SCRIPT, f'<script nonce="{nonce}">')
    return Answer(200, body=body, headers={**_PAGE_HEADERS, "Content-Security-Policy": policy})


def forbidden() -> Answer:
    """To somebody who is logged in and may not read the task's logs."""
    return problem(403, "Not permitted", "You may not read the logs of this task. Ask who administers this Airflow.")


def url_path(what: str, place: Place, attempt: int | None = None) -> str:
    """The path of a link as the browser sees it."""
    return f"{base_path()}/{path_of(what, place, attempt)}"


def _others(what: str, kind: str, place: Place, attempt: int | None) -> list[Alternative]:
    """The other links of the same task and attempt."""
    return [Alternative(link.name, url_path(link.what, place, attempt)) for link in LINKS[kind] if link.what != what]
