"""What moto knows, so that another process goes on with it."""

from __future__ import annotations

import importlib
import logging
import pickle
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_emrs_ext.local.base.snapshots import dump, load

_log = logging.getLogger(__name__)
_PAUSES = (0.05, 0.2, 0.5)

Kept = dict[tuple[str, str, str], bytes]
"""Module of the service's backend, account and Region to what :func:`~.snapshots.dump` made."""

_not_kept: set[str] = set()


def dump_moto() -> Kept:
    """Everything that clients have made in moto's services.

    :return: a service with objects that cannot be kept, such as private keys, is not in it, which is logged once
    :raises RuntimeError: a service is changed all the time
    """
    backends = dict(_backends())
    anchors = {"/".join(key): backend for key, backend in backends.items()}
    kept: Kept = {}
    for key, backend in backends.items():
        try:
            kept[key] = _dumped(backend, anchors)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            if key[0] not in _not_kept:
                _not_kept.add(key[0])
                _log.warning("--state-dir: what is in %s is not kept: %s", key[0], error)
    return kept


def load_moto(kept: Kept) -> None:
    """Go on with what :func:`dump_moto` returned.

    :param kept: what it returned, in a process whose moto knows nothing yet
    """
    for module in {key[0] for key in kept}:
        importlib.import_module(module)
    services = {services.backend.__module__: services for services in _services()}
    anchors = {"/".join(key): services[key[0]][key[1]][key[2]] for key in kept}
    for key, data in kept.items():
        vars(anchors["/".join(key)]).update(load(data, anchors))


def _dumped(backend: Any, anchors: Mapping[str, object]) -> bytes:
    for pause in _PAUSES:
        try:
            return dump(vars(backend), anchors)
        except RuntimeError:
            # A request has changed it meanwhile.
            time.sleep(pause)
    return dump(vars(backend), anchors)


def _backends() -> Iterator[tuple[tuple[str, str, str], Any]]:
    for services in _services():
        for account, regions in list(services.items()):
            for region, backend in list(regions.items()):
                yield (services.backend.__module__, account, region), backend


def _services() -> list[Any]:
    """Moto's services that are loaded, each a dictionary of accounts."""
    from moto.core.base_backend import BackendDict

    found = {
        id(value): value
        for name, module in list(sys.modules.items())
        if name.startswith("moto.") and name.endswith(".models")
        for value in list(vars(module).values())
        if isinstance(value, BackendDict)
    }
    return list(found.values())
