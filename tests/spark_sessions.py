"""Sessions on the local endpoint with real Spark, for tests that work in them."""

from __future__ import annotations

from typing import Any

from airflow_emrs_ext.local.testing import LocalEmr
from tests.polling import eventually

ROLE = "arn:aws:iam::123456789012:role/session"


def start_session(emr: LocalEmr, **settings: Any) -> tuple[str, str]:
    """An application, and a session in it that is ready.

    :param settings: further ones of the application
    """
    service = emr.client("emr-serverless")
    application_id = service.create_application(
        type="SPARK",
        releaseLabel="emr-7.13.0",
        interactiveConfiguration={"sessionEnabled": True},
        **{"clientToken": "work", **settings},
    )["applicationId"]
    session_id = service.start_session(applicationId=application_id, executionRoleArn=ROLE, clientToken="work")[
        "sessionId"
    ]
    eventually(lambda: session(emr, session_id)["state"] in ("STARTED", "IDLE"), within=120)
    return application_id, session_id


def session(emr: LocalEmr, session_id: str) -> dict[str, Any]:
    (one,) = (one for one in emr.sessions() if one["sessionId"] == session_id)
    return one
