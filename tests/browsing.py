"""What a person does with a browser at Airflow's web server, without one: log in, follow links."""

from __future__ import annotations

import http.cookiejar
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.message import Message
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow_emrs_ext._compat import AIRFLOW_VERSION

IS_3 = AIRFLOW_VERSION.major >= 3
HAS_FAB = find_spec("airflow.providers.fab") is not None
"""Whether the users are in Airflow's database and log in as in Airflow 2."""

IS_3_0 = AIRFLOW_VERSION.release[:2] == (3, 0)

_PATIENT_SECONDS = 60.0

PERMITTED, FORBIDDEN = "anna", "bert"
"""Who is logged in; the second has no role, and so no permission to read anything."""


def access(home: Path) -> dict[str, str]:
    """The environment in which Airflow knows the two; each has the own name as password."""
    if HAS_FAB:
        return {"AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"}
    return {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{PERMITTED}:viewer,{FORBIDDEN}:",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
    }


def make_users(airflow: Any) -> None:
    """Make the two, in a home that has been made."""
    (airflow.home / "passwords.json").write_text(json.dumps({name: name for name in (PERMITTED, FORBIDDEN)}))
    if HAS_FAB:
        (airflow.home / "webserver_config.py").write_text("WTF_CSRF_ENABLED = False\n")
        airflow.command("sync-perm")
        for name, role in ((PERMITTED, "Viewer"), (FORBIDDEN, "Public")):
            about = ["--firstname", name, "--lastname", name, "--email", f"{name}@example.com", "--password", name]
            airflow.command("users", "create", "--username", name, "--role", role, *about)


@dataclass
class Page:
    """An answer of a server."""

    status: int
    headers: Message
    text: str

    @property
    def location(self) -> str:
        """Where the answer sends the browser."""
        return str(self.headers["Location"])


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Browser:
    """Somebody at Airflow's web server.

    :param url: where it is, with its base path
    :param user: who logs in; ``None``: nobody
    :param password: default: the name
    """

    def __init__(self, url: str, user: str | None = None, password: str | None = None) -> None:
        self.url = url
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), _NoRedirects, urllib.request.HTTPCookieProcessor(self._cookies)
        )
        self._headers: dict[str, str] = {}
        if user:
            self._log_in(user, password or user)

    def open(self, url: str) -> Page:
        """What a person sees who follows a link and waits a while where a page tries again by itself."""
        until = time.monotonic() + _PATIENT_SECONDS
        while True:
            page = self.look(url)
            if page.status not in (202, 503) or time.monotonic() > until:
                return page
            # A script hands on the page only, which says it, too.
            time.sleep(float(page.headers["Retry-After"] or 1))

    def look(self, url: str) -> Page:
        """What is behind a link now; what a script of the page asks is part of it."""
        page = self.get(url)
        if not (IS_3_0 and "<script" in page.text):
            return page
        (path,) = re.findall(r'const path = "([^"]*)"', page.text)
        (login,) = re.findall(r'login = "([^"]*)"', page.text)
        asked = self.get(path, **self._headers)
        if asked.status == 401:
            return Page(307, _headers(Location=login), "")
        answer = json.loads(asked.text)
        for name in ("Cache-Control", "Referrer-Policy"):
            assert asked.headers[name] == page.headers[name]
        if answer["location"]:
            asked.headers["Location"] = answer["location"]
            return Page(307, asked.headers, "")
        return Page(asked.status, asked.headers, answer["page"])

    def link(self, name: str, dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
        """The whole address of a link of a task, as the UI gets it by its name."""
        if IS_3:
            run = urllib.parse.quote(run_id, safe="")
            path = f"/api/v2/dags/{dag_id}/dagRuns/{run}/taskInstances/{task_id}/links?map_index={map_index}"
        else:
            # The ids of DAG runs that are started by hand carry their date.
            _, _, date = run_id.partition("__")
            query = {"dag_id": dag_id, "task_id": task_id, "map_index": map_index, "execution_date": date}
            path = f"/extra_links?{urllib.parse.urlencode({**query, 'link_name': name})}"
        page = self.get(f"{self.url}{path}", **self._headers)
        assert page.status == 200, page.text
        found = json.loads(page.text)
        address = found.get("extra_links", found)[name] if IS_3 else found["url"]
        assert address, f"{name} is not shown"
        return urllib.parse.urljoin(f"{self.url}/", address)

    def get(self, url: str, **headers: str) -> Page:
        """The answer to a request, redirects not followed."""
        request = urllib.request.Request(urllib.parse.urljoin(f"{self.url}/", url), headers=headers)
        return self._ask(request)

    def _log_in(self, user: str, password: str) -> None:
        if not IS_3:
            values = {"username": user, "password": password}
            # A form carries the token of the page that it is on, unless an Airflow has none.
            if token := re.search(r'name="csrf_token"[^>]* value="([^"]+)"', self.get("login/").text):
                values["csrf_token"] = token[1]
            form = urllib.parse.urlencode(values).encode()
            page = self._ask(urllib.request.Request(f"{self.url}/login/", form))
            assert page.status == 302, page.text
            return
        body = json.dumps({"username": user, "password": password}).encode()
        page = self._ask(urllib.request.Request(f"{self.url}/auth/token", body, {"Content-Type": "application/json"}))
        assert page.status == 201, page.text
        token = json.loads(page.text)["access_token"]
        # In 3.0 the UI keeps the token for its scripts, later the browser has it as a cookie.
        if IS_3_0:
            self._headers["Authorization"] = f"Bearer {token}"
        else:
            self._opener.addheaders.append(("Cookie", f"_token={token}"))

    def _ask(self, request: urllib.request.Request) -> Page:
        try:
            with self._opener.open(request, timeout=60) as response:
                return Page(response.status, response.headers, response.read().decode())
        except urllib.error.HTTPError as error:
            return Page(error.code, error.headers, error.read().decode())


def _headers(**values: str) -> Message:
    message = Message()
    for name, value in values.items():
        message[name] = value
    return message
