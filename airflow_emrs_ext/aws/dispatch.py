"""The functions of each API, by botocore's name of the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from airflow_emrs_ext.aws import containers, serverless
from airflow_emrs_ext.core.effects import Steps, Terms
from airflow_emrs_ext.resources import ClaimedKind
from airflow_emrs_ext.shared.states import State

APIS: Mapping[str, ModuleType] = {
    "emr-serverless": serverless,
    "emr-containers": containers,
}


def start_of(kind: ClaimedKind[State]) -> Callable[..., Steps[dict[str, Any]]]:
    """The function that starts a resource."""
    start: Callable[..., Steps[dict[str, Any]]] = getattr(APIS[kind.service], kind.starts)
    return start


def listing_of(kind: ClaimedKind[State]) -> Callable[..., Steps[list[dict[str, Any]]]]:
    """The function that lists resources."""
    listing: Callable[..., Steps[list[dict[str, Any]]]] = getattr(APIS[kind.service], kind.lists)
    return listing


def active(terms: Terms, kind: ClaimedKind[State], *scope: str, **filters: Any) -> Steps[list[dict[str, Any]]]:
    """The entries of a listing of what has not ended.

    :param scope: an application's id, for what belongs to one
    :param filters: further ones of the listing
    """
    states = [state for state in kind.states if state.is_active]
    return (yield from listing_of(kind)(terms, *scope, states=states, **filters))
