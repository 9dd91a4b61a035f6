from __future__ import annotations

from airflow_emrs_ext.local.base.runner import WorkerSize
from airflow_emrs_ext.local.services.emr_serverless.utilization import Usage, billed, duration, total

PLAIN = WorkerSize(4, 16, 20)
LARGE_DISK = WorkerSize(2, 8, 50)


def test_an_hour() -> None:
    usage = [Usage(PLAIN, LARGE_DISK, 3, 3600.0)]
    assert total(usage) == {"vCPUHour": 10, "memoryGBHour": 40, "storageGBHour": 170}
    assert billed(usage) == {"vCPUHour": 10, "memoryGBHour": 40, "storageGBHour": 90}
    assert duration(usage) == 3600


def test_at_least_a_minute_per_worker_is_billed() -> None:
    usage = [Usage(PLAIN, LARGE_DISK, 1, 12.3)]
    assert total(usage) == {"vCPUHour": 0.022, "memoryGBHour": 0.087, "storageGBHour": 0.253}
    assert billed(usage) == {"vCPUHour": 0.1, "memoryGBHour": 0.4, "storageGBHour": 0.5}
    assert duration(usage) == 13


def test_attempts_add_up() -> None:
    usage = [Usage(PLAIN, PLAIN, 1, 30.0), Usage(PLAIN, PLAIN, 2, 90.2)]
    assert total(usage)["vCPUHour"] == round((8 * 30 + 12 * 91) / 3600, 3)
    assert billed(usage) == {
        "vCPUHour": round((8 * 60 + 12 * 91) / 3600, 3),
        "memoryGBHour": round((32 * 60 + 48 * 91) / 3600, 3),
        "storageGBHour": 0,
    }
    assert duration(usage) == 121


def test_nothing() -> None:
    assert total([]) == billed([]) == {"vCPUHour": 0, "memoryGBHour": 0, "storageGBHour": 0}
    assert duration([]) == 0
