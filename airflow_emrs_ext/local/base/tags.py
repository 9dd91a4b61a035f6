"""Tags, as every service takes them."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_emrs_ext.local.base.errors import validation_error


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse tags that only AWS may set.

    :raises ApiError: a key begins with ``aws:``
    """
    for key in tags:
        if key.lower().startswith("aws:"):
            raise validation_error(f"tags.{key}: keys that begin with aws: are reserved")


def merge_tags(owned: Mapping[str, str], given: Mapping[str, str], most: int) -> dict[str, str]:
    """The tags of a resource after TagResource.

    :param owned: those that it has
    :param given: those of the request
    :param most: how many it may have
    :raises ApiError: a key is reserved, or there would be too many
    """
    check_tags(given)
    merged = {**owned, **given}
    if len(merged) > most:
        raise validation_error(f"tags: a resource has at most {most} tags, this one would have {len(merged)}")
    return merged
