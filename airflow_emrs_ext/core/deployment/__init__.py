"""Which Airflow this is: an identity that it gives itself once, and keeps where each of its tasks finds it.

Another Airflow may have equal DAGs, with equal DAG runs, and use the same AWS account. An Airflow's address, its
configuration and its keys change, or are equal in both; its metadata database is what makes it one. So the identity is
one of its Variables.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, Protocol

from airflow_emrs_ext.core import settings
from airflow_emrs_ext.core.deployment._compat import InDatabase, NoAirflow, team_of, variables
from airflow_emrs_ext.exceptions import DeploymentUnknown

log: logging.Logger = logging.getLogger(__name__)

VARIABLE = "emrs_ext_deployment"
"""The Variable that holds the identity; a person may set it before the first task does."""

_PROPOSAL = "_proposal"

# How long an Airflow that does not answer is asked, and how often, in seconds.
_PATIENCE_SECONDS = 300.0
_PAUSE_SECONDS = 5.0

# How long what several tasks may be writing at once has to stand before it counts, in seconds: far longer than a call
# takes. A deployment waits for it twice, when its first task starts something.
_SETTLE_SECONDS = 3.0

# How often it is looked for before its making counts as failed; a few times do.
_MOST_ROUNDS = 12

# What no Airflow runs, as a unit test, has an identity of its own for as long as its process lasts.
_OF_THIS_PROCESS = secrets.token_hex(8)

_known: dict[str, str] = {}


class Variables(Protocol):
    """The Variables of this Airflow.

    :param inserts: whether :meth:`put` leaves a Variable alone that is there, whoever has been first
    """

    @property
    def inserts(self) -> bool:
        """Whether :meth:`put` inserts only."""

    def get(self, key: str, /) -> str | None:
        """A Variable's value; ``None``: there is none."""

    def put(self, key: str, value: str, /) -> None:
        """Make a Variable."""


def deployment_of(context: Any) -> str:
    """The identity of this Airflow: ``[emrs_ext] deployment``, else the one that it has given itself.

    The first call of a process costs one look at Airflow's Variables, and that of a whole deployment a few seconds.

    :param context: of the task that asks; teams that share an Airflow do not share Variables, and have an identity each
    :return: never empty
    :raises DeploymentUnknown: Airflow does not say within minutes
    """
    if named := settings.deployment():
        return named
    key = "_".join([VARIABLE, *team_of(context)])
    if key not in _known:
        _known[key] = _looked_up(key)
    return _known[key]


def deployments_here() -> set[str]:
    """The identities that this Airflow has given itself, of each team, for web servers, which may use its database."""
    named = settings.deployment()
    return {named} if named else InDatabase().values(VARIABLE, but=_PROPOSAL)


def _looked_up(
    key: str, pause: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
) -> str:
    until = clock() + _PATIENCE_SECONDS
    while True:
        try:
            return agreed(variables(), key, pause)
        except NoAirflow:
            return _OF_THIS_PROCESS
        except Exception as error:
            # Of whatever kind: an API server or a database that does not answer now, or a permission that is missing.
            if clock() >= until:
                raise DeploymentUnknown(
                    f"Which Airflow this is could not be found out, and nothing was started: the Variable {key!r} "
                    f"cannot be read or made: {type(error).__name__}: {error}. Another Airflow may use the same AWS "
                    "account, and its job runs must not be taken for those of this one. Airflow tries the task again. "
                    "To need no Variable, give this Airflow a name of its own: [emrs_ext] deployment "
                    "(AIRFLOW__EMRS_EXT__DEPLOYMENT)."
                ) from error
            log.warning("The Variable %s: %s: %s; asking again", key, type(error).__name__, error)
            pause(_PAUSE_SECONDS)


def agreed(variables: Variables, key: str, pause: Callable[[float], None]) -> str:
    """The identity that all tasks of this Airflow have, whichever of them come first.

    Where a Variable can only be overwritten, two first tasks could each make one, and the later would change what the
    earlier has used. So they write a proposal, which may change; the one that has stood for a while becomes the
    identity, whoever has made it. A task that was stopped in between then only changes a proposal. The proposal stays:
    it brings the identity back if somebody deletes that.

    :param variables: of this Airflow
    :param key: of the Variable
    :param pause: waits so many seconds
    :raises LookupError: what is made does not stay
    """
    proposal, seen = f"{key}{_PROPOSAL}", None
    for _ in range(_MOST_ROUNDS):
        if found := variables.get(key):
            return found
        if variables.inserts:
            variables.put(key, secrets.token_hex(8))
            continue
        proposed = variables.get(proposal)
        if proposed is None:
            proposed = secrets.token_hex(8)
            variables.put(proposal, proposed)
        elif proposed == seen:
            variables.put(key, proposed)
            log.info("This Airflow is %s among those that use EMR in one account: Variable %s", proposed, key)
        seen = proposed
        pause(_SETTLE_SECONDS)
    raise LookupError("it was made and is not there")
