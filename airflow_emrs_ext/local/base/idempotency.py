"""Client tokens: the same request twice has one effect and one answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.base.regions import region_of


class ClientTokens:
    """Remembers what was answered to which client token.

    :param config: for how long
    :param code: the error for a token that comes again with other parameters
    :param parameter: the parameter that holds the token
    """

    def __init__(self, config: ServiceConfig, code: str, parameter: str = "clientToken") -> None:
        self._config = config
        self._code = code
        self._parameter = parameter
        self._answers: dict[tuple[str, str, str], tuple[float, str, dict[str, Any]]] = {}

    def once(
        self,
        operation: str,
        scope: str,
        params: Mapping[str, Any],
        carry_out: Callable[[], dict[str, Any]],
        *,
        code: str | None = None,
    ) -> dict[str, Any]:
        """The answer to a request: that to an earlier one with the same token, if there was one.

        :param operation: operation of the API; a token belongs to one operation
        :param scope: the application, virtual cluster or cluster that the request is about, empty for none
        :param params: the request; one without a token is carried out each time
        :param carry_out: does what is asked for and answers it; what it raises is not remembered
        :param code: the error where the operation declares another one
        :raises ApiError: the earlier request had other parameters
        """
        token = params.get(self._parameter)
        if token is None:
            return carry_out()
        scope = scope or region_of(self._config)
        key, request = (operation, scope, token), _canonical(params)
        if known := self._answers.get(key):
            remembered_at, earlier, answer = known
            if not 0 < self._config.client_token_seconds < time.monotonic() - remembered_at:
                if request == earlier:
                    return answer
                raise ApiError(
                    code or self._code,
                    f"{self._parameter}: {token} was used for an earlier {operation} request with other"
                    " parameters; repeat that request unchanged, or use a new token",
                )
        answer = carry_out()
        self._answers[key] = (time.monotonic(), request, answer)
        return answer

    def kept(self) -> dict[tuple[str, str, str], tuple[str, dict[str, Any]]]:
        """What is remembered, for another process to go on with."""
        if seconds := self._config.client_token_seconds:
            since = time.monotonic() - seconds
            self._answers = {key: answer for key, answer in self._answers.items() if answer[0] > since}
        return {key: (request, answer) for key, (_, request, answer) in self._answers.items()}

    def restore(self, kept: Mapping[tuple[str, str, str], tuple[str, dict[str, Any]]]) -> None:
        """Remember what :meth:`kept` returned in another process, from now on."""
        self._answers.update({key: (time.monotonic(), *remembered) for key, remembered in kept.items()})

    def clear(self) -> None:
        """Forget every token."""
        self._answers.clear()


def _canonical(params: Mapping[str, Any]) -> str:
    return json.dumps(params, sort_keys=True, default=str)
