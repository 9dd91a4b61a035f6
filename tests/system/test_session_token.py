"""A task that works for a minute with tokens that live for 15 seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_emrs_ext.local.processes.throwaway_airflow import ThrowawayAirflow
from airflow_emrs_ext.local.testing import local_emr
from tests.airflow_homes import make_home
from tests.spark_sessions import session, start_session

DAGS = Path(__file__).with_name("session_dags")
# Half as long again as the shortest life that the tunnel reckons with: a busy machine may be late.
TOKEN_SECONDS = 15.0
WORK_SECONDS = 60.0
# A statement during which the token that it was sent with expires.
LONG_SECONDS = 26.0


@pytest.mark.spark
@pytest.mark.airflow
@pytest.mark.timeout(400)
def test_work_goes_on_through_the_ends_of_tokens(tmp_path: Path, record_property: pytest.RecordProperty) -> None:
    with local_emr(
        runner="spark",
        application_start_seconds=0.05,
        scheduling_seconds=0.02,
        session_token_seconds=TOKEN_SECONDS,
    ) as emr:
        application_id, session_id = start_session(emr)
        environ = {
            **emr.environ,
            "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
            "APPLICATION_ID": application_id,
            "SESSION_ID": session_id,
            "WORK_SECONDS": str(WORK_SECONDS),
            "LONG_SECONDS": str(LONG_SECONDS),
        }
        airflow = ThrowawayAirflow(tmp_path / "airflow", DAGS, environ)
        make_home(airflow)

        output = airflow.command("dags", "test", "session_token")

        done = airflow.result("session_token", "work")
        minted = session(emr, session_id)["tokensMinted"]
        print(f"{done} statements in {WORK_SECONDS:g} s with {minted} tokens of {TOKEN_SECONDS:g} s")
        record_property("tokens_minted", minted)
        assert done["long"] >= WORK_SECONDS // LONG_SECONDS
        assert done["short"] > 66
        # One for each three quarters of a token's life, and the first; more would be one for each call.
        assert WORK_SECONDS / TOKEN_SECONDS <= minted <= WORK_SECONDS / (TOKEN_SECONDS * 0.75) + 6
        assert "UNAUTHENTICATED" not in output
