"""Steps that are driven as a triggerer drives them."""

from __future__ import annotations

from typing import TypeVar

from airflow_emrs_ext.core.effects import Effects
from airflow_emrs_ext.hooks.base import EmrHook
from airflow_emrs_ext.runtime.shared_driver import SharedDriver

T = TypeVar("T")


async def drive_on_loop(hook: EmrHook, steps: Effects[T]) -> T:
    """The outcome of steps on this event loop, with clients of their own."""
    driver = SharedDriver(hook)
    try:
        return await driver.run(steps)
    finally:
        await driver.close()
