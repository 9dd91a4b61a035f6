"""What the web server answers to a click, whatever framework it is made of: a redirect, or a page that says why not."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_emrs_ext.links.runs import LINKS, RunLink, SparkUILink, path_of
from airflow_emrs_ext.ownership import further_fields
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
    """A task instance, as a path names it.

    :param further: what the path's query names beyond the others, such as an iteration's loop
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    further: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, dag_id: str, run_id: str, task_id: str, map_index: int, query: Mapping[str, str]) -> Place:
        """The task instance of a path with this query, of which nothing else counts."""
        further = {name: query[name] for name in further_fields() if name in query}
        return cls(dag_id, run_id, task_id, map_index, further)

    @property
    def identity(self) -> dict[str, Any]:
        """As :func:`~airflow_emrs_ext.ownership.identity_of` the task instance."""
        named = {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": self.task_id, "map_index": self.map_index}
        return {**named, **self.further}


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
    from airflow_emrs_ext.models import OWNED
    from airflow_emrs_ext.plugin.run_view import run_view
    from airflow_emrs_ext.plugin.targets import explained, target
    from airflow_emrs_ext.plugin.works import NoTarget, is_record, work_of

    if not _has(what, *LINKS):
        return problem(404, "No such link", f"There is no link «{what}».")
    record = record_of(place.identity)
    if record is None or not is_record(record):
        return problem(
            404,
            "Nothing submitted yet",
            "This task has not submitted anything to EMR, or is just being tried again. The link leads "
            "somewhere as soon as it has.",
        )
    if not _has(what, record["kind"]):
        return problem(
            404,
            "No such link",
            f"{OWNED[record['kind']].name}s have no such page.",
            alternatives=_others(what, record["kind"], place, None),
        )
    try:
        if what == RunLink.what:
            with explained():
                return scripted(
                    run_view(
                        work_of(record, attempt),
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
    return f"{base_path()}/{path_of(what, place.identity, attempt)}"


def _has(what: str, *kinds: str) -> bool:
    """Whether one of the kinds has a link of this word."""
    return any(link.what == what for kind in kinds for link in LINKS[kind])


def _others(what: str, kind: str, place: Place, attempt: int | None) -> list[Alternative]:
    """The other links of the same task and attempt."""
    return [Alternative(link.name, url_path(link.what, place, attempt)) for link in LINKS[kind] if link.what != what]
