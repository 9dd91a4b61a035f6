"""What moto knows, so that another process goes on with it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

from airflow_emrs_ext.local.base.snapshots import dump, load

_log = logging.getLogger(__name__)
_TRIES = 3

Kept = dict[tuple[str, str, str], bytes]
"""Service, account and Region to what :func:`~.snapshots.dump` made."""


def dump_moto() -> Kept:
    """Everything that clients have made in moto's services.

    :return: a service whose objects cannot be kept is not in it, and logged
    """
    backends = dict(_backends())
    anchors = {"/".join(key): backend for key, backend in backends.items()}
    kept: Kept = {}
    for key, backend in backends.items():
        for left in reversed(range(_TRIES)):
            try:
                kept[key] = dump(vars(backend), anchors)
                break
            except Exception as error:
                # A request may have changed it meanwhile; a private key, for one, cannot be kept at all.
                if not left:
                    _log.warning("--state-dir: what is in %s (%s) is not kept: %s", key[0], key[2], error)
    return kept


def load_moto(kept: Kept) -> None:
    """Go on with what :func:`dump_moto` returned.

    :param kept: what it returned, in a process whose moto knows nothing yet
    """
    from moto.backends import get_backend

    anchors: dict[str, Any] = {"/".join(key): get_backend(key[0])[key[1]][key[2]] for key in kept}  # type: ignore[call-overload]
    for key, data in kept.items():
        vars(anchors["/".join(key)]).update(load(data, anchors))


def _backends() -> Iterator[tuple[tuple[str, str, str], Any]]:
    from moto.core.base_backend import BackendDict

    found = {
        id(value): value
        for name, module in list(sys.modules.items())
        if name.startswith("moto.") and name.endswith(".models")
        for value in list(vars(module).values())
        if isinstance(value, BackendDict)
    }
    for services in found.values():
        for account, regions in list(services.items()):
            for region, backend in list(regions.items()):
                yield (services.service_name, account, region), backend
