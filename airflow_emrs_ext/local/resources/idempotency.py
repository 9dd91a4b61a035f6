"""Client tokens: the same request twice has one effect and one answer."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from airflow_emrs_ext.local.config import ServiceConfig
from airflow_emrs_ext.local.errors import ApiError


class ClientTokens:
    """Remembers what was answered to which client token.

    :param config: for how long
    """

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._answers: dict[tuple[str, str, str], tuple[float, str, dict[str, Any]]] = {}

    def recall(
        self, operation: str, scope: str, params: Mapping[str, Any], *, code: str = "ConflictException"
    ) -> dict[str, Any] | None:
        """The answer to an earlier request with the same token, ``None`` when there was none.

        :param operation: operation of the API; a token belongs to one operation
        :param scope: the application that the request is about, empty for CreateApplication
        :param params: the request, with its ``clientToken``
        :param code: error for a token that came with other parameters
        :raises ApiError: the earlier request had other parameters
        """
        known = self._answers.get((operation, scope, params["clientToken"]))
        if known is None:
            return None
        remembered_at, request, answer = known
        if 0 < self._config.client_token_seconds < time.monotonic() - remembered_at:
            return None
        if request != _canonical(params):
            raise ApiError(
                code,
                f"clientToken: {params['clientToken']} was used for an earlier {operation} request with other"
                " parameters; repeat that request unchanged, or use a new token",
            )
        return answer

    def remember(self, operation: str, scope: str, params: Mapping[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        """Keep the answer of a request that succeeded, and return it."""
        self._answers[operation, scope, params["clientToken"]] = (time.monotonic(), _canonical(params), answer)
        return answer

    def clear(self) -> None:
        """Forget every token."""
        self._answers.clear()


def _canonical(params: Mapping[str, Any]) -> str:
    return json.dumps(params, sort_keys=True, default=str)
