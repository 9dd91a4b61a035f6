"""What a web page may do: nothing. The browser of whoever runs the endpoint reaches it for every page that it shows."""

from __future__ import annotations

import ipaddress
import json
import logging
import re
from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware

from airflow_emrs_ext.local.base.asgi import Application, Receive, Scope, Send

_AUTHORITY = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[^\[\]:/?#@\s]+))(?::\d*)?", re.IGNORECASE)
# All of the same origin, or typed by the person, and what says nothing as it is no browser.
_HARMLESS_SITES = ("same-origin", "none")
_BROWSER = "Mozilla/"
# A document of the endpoint's own origin, such as an object with HTML in S3, could do what the endpoint's user can.
_SANDBOX = (b"content-security-policy", b"sandbox")

log: logging.Logger = logging.getLogger(__name__)


class WebPageFilter:
    """An ASGI application in front of another, which refuses what a web page has its browser ask for.

    - ``Host`` must be a loopback name or address, the address that the connection came to, or one of the names that the
      endpoint was given. A page whose own name is made to lead here (DNS rebinding) sends that name.
    - ``Origin`` must be the endpoint's own or allowed, and ``Sec-Fetch-Site`` must not name another site. All browsers
      send ``Origin`` with what may change something. One that is too old for ``Sec-Fetch-Site`` is not believed.
    - Pages that are there to be followed to may be, from anywhere, as the links of Airflow's UI are.

    Programs send none of these headers but ``Host``.

    :param application: what answers the rest
    :param names: host names, each with all below it, and addresses under which the endpoint may be asked
    :param origins: origins whose pages may ask for everything, e.g. ``http://localhost:3000``; they get CORS headers
    :param pages: beginnings of the paths that links of any page may lead to
    :param scripted: beginnings of the paths whose documents may run scripts
    """

    def __init__(
        self,
        application: Application,
        *,
        names: Collection[str] = (),
        origins: Sequence[str] = (),
        pages: tuple[str, ...] = (),
        scripted: tuple[str, ...] = (),
    ) -> None:
        self._names = ("localhost", *(name.lower() for name in names))
        self._origins = frozenset(origins)
        self._pages = pages
        self._scripted = scripted
        self._application = application
        if origins:
            cors: Any = CORSMiddleware(
                application,
                allow_origins=origins,
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=["*"],
            )
            self._application = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_own_name(host, scope):
            await _refuse(
                send,
                HTTPStatus.MISDIRECTED_REQUEST,
                f"This endpoint does not answer for the host {host!r}; name it with --allowed-host if it is to",
            )
        elif (asking := self._page_asking(headers, host, scope)) is not None:
            await _refuse(
                send,
                HTTPStatus.FORBIDDEN,
                f"{asking} may not use this endpoint, which trusts no web page; --allowed-origin names those that may",
            )
        elif scope["path"].startswith(self._scripted):
            await self._application(scope, receive, send)
        else:
            await self._application(scope, receive, _sandboxed(send))

    def _is_own_name(self, host: str, scope: Scope) -> bool:
        found = _AUTHORITY.fullmatch(host)
        if found is None:
            return False
        name = (found["address"] or found["name"]).lower().removesuffix(".")
        if any(name == own or name.endswith(f".{own}") for own in self._names):
            return True
        try:
            address = ipaddress.ip_address(name)
            # No name leads elsewhere if it is none.
            return address.is_loopback or address == ipaddress.ip_address(scope["server"][0])
        except ValueError:
            return False

    def _page_asking(self, headers: Headers, host: str, scope: Scope) -> str | None:
        """Who asks, if it is a web page that may not."""
        origins = headers.getlist("origin")
        if origins and self._origins.issuperset(origins):
            return None
        for origin in origins:
            if origin not in (f"http://{host}", f"https://{host}"):
                return f"The origin {origin!r}"
        site = headers.get("sec-fetch-site")
        is_program = not origins and not headers.get("user-agent", "").startswith(_BROWSER)
        if site in _HARMLESS_SITES or (site is None and (origins or is_program)):
            return None
        if scope["method"] == "GET" and scope["path"].startswith(self._pages) and _is_followed(headers):
            return None
        return f"A page of another site ({site})" if site else "A browser that does not say which page asks"


def _is_followed(headers: Headers) -> bool:
    """Whether the browser's window is to show the answer."""
    mode, destination = headers.get("sec-fetch-mode", "navigate"), headers.get("sec-fetch-dest", "document")
    return (mode, destination) == ("navigate", "document")


async def _refuse(send: Send, status: HTTPStatus, message: str) -> None:
    log.info("refused: %s", message)
    body = json.dumps({"message": message}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        # The name of the error in the protocols of AWS.
        (b"x-amzn-errortype", b"AccessDeniedException"),
    ]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _sandboxed(send: Send) -> Send:
    async def send_sandboxed(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), _SANDBOX]
        await send(message)

    return send_sandboxed
