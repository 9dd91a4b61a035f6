"""The HTTP of asynchronous clients without the redirects that aiohttp follows, and botocore does not.

Proxies and captive portals redirect: followed, a signed request goes to whoever is in the way, and a page to sign in
is taken for the service's answer.
"""

from __future__ import annotations

from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from botocore.config import Config


class _Requests:
    """What aiobotocore uses of a session of aiohttp's."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def request(self, method: str, **options: Any) -> Any:
        """Make a request."""
        return await self._session.request(method, allow_redirects=False, **options)


class _Session(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore has no types
    async def _get_session(self, proxy_url: str | None) -> _Requests:
        return _Requests(await super()._get_session(proxy_url))


def without_redirects(config: Config) -> AioConfig:
    """The configuration of an asynchronous client whose redirects are errors, as they are in botocore."""
    return AioConfig(http_session_cls=_Session, **config._user_provided_options)
