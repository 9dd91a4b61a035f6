"""What Airflow asks of a provider package, through the entry point ``apache_airflow_provider``.

Airflow reads it while it is itself being imported, so this module imports nothing of Airflow.
"""

from __future__ import annotations

from typing import Any

from airflow_emrs_ext import __version__

SECTION = "emrs_ext"

# One entry per option, in the form that Airflow's provider information wants.
OPTIONS: dict[str, dict[str, Any]] = {
    "waiter_delay": {
        "description": "Longest pause between two looks at a resource that a task waits for, in seconds. "
        "The first looks come sooner. An operator's waiter_delay overrides it.",
        "version_added": "0.1.0",
        "type": "float",
        "default": "30",
        "example": "60",
    },
    "patience": {
        "description": "How long one API call is repeated through throttling, server errors, network failures and "
        "answers that cannot be read before the task gives up, in seconds. What runs is left to the task's next try. A "
        "deadline of the task itself may end it sooner.",
        "version_added": "0.1.0",
        "type": "float",
        "default": "1800",
        "example": "3600",
    },
    "access_patience": {
        "description": "How long one API call is repeated while access is refused (a policy or credentials that are "
        "being changed, a proxy, a redirect) before the task gives up, in seconds. The connection is read anew "
        "meanwhile, and what runs is left to the task's next try.",
        "version_added": "0.1.0",
        "type": "float",
        "default": "600",
        "example": "1800",
    },
    "progress_interval": {
        "description": "Longest silence in the task log while waiting, in seconds. A change of state is always logged.",
        "version_added": "0.1.0",
        "type": "float",
        "default": "300",
        "example": "60",
    },
    "driver_log_interval": {
        "description": "How often the service uploads a driver's log, in seconds. A task that shows it live looks five "
        "times as often, and the last upload of a driver that has failed is waited for so long.",
        "version_added": "0.1.0",
        "type": "float",
        "default": "15",
        "example": "30",
    },
    "notification_queue": {
        "description": "URL of the SQS queue on which an EventBridge rule puts the changes of state of job runs and "
        "applications, so that deferred tasks are told of them at once. An operator's notification_queue overrides it. "
        "Default: none; tasks look.",
        "version_added": "0.1.0",
        "type": "string",
        "default": "",
        "example": "https://sqs.us-east-1.amazonaws.com/123456789012/airflow-emrs-ext",
    },
    "quotas": {
        "description": "How many calls the services take, where that is not what is published for every account: a "
        "JSON object of services, each of API operations, each with calls per second and calls at once; null, of an "
        "operation or a service: without limit.",
        "version_added": "0.1.0",
        "type": "string",
        "default": "",
        "example": '{"emr-serverless": {"StartJobRun": [5, 100], "ListJobRuns": [2, 50]}}',
    },
    "default_tags": {
        "description": "Whether job runs and sessions are tagged with the DAG, run and task that start them. The sweep "
        "operator finds them by these tags. Tagging needs the permission emr-serverless:TagResource.",
        "version_added": "0.1.0",
        "type": "boolean",
        "default": "True",
        "example": "False",
    },
    "deployment": {
        "description": "Name of this Airflow among those that work in the same AWS account; a tag of what its tasks "
        "start. The sweep operator ends only what carries it. Default: the Variable emrs_ext_deployment, which the "
        "first task makes. Changing it gives up what runs at the time.",
        "version_added": "0.1.0",
        "type": "string",
        "default": "",
        "example": "production",
    },
    "prices": {
        "description": "What the service charges, to estimate the cost of job runs and sessions: a JSON object of "
        "Regions, each of architectures (X86_64, ARM64), each with vcpu_hour, memory_gb_hour and storage_gb_hour, "
        "and within flex the same of Flex capacity; and the currency, USD unless given. Default: no estimate.",
        "version_added": "0.1.0",
        "type": "string",
        "default": "",
        "example": '{"eu-west-1": {"X86_64": {"vcpu_hour": 0.05, "memory_gb_hour": 0.006, "storage_gb_hour": 0.0001}}}',
    },
    "journal_folder": {
        "description": "Folder in which triggerers note what their deferred tasks have started, and workers what they "
        "are about to end. Every triggerer with the same folder looks through it each five minutes, and ends what is "
        "left of tasks that were marked, timed out or deleted. A folder that outlives the triggerer. "
        "Default: emrs_ext_journal in [logging] base_log_folder.",
        "version_added": "0.1.0",
        "type": "string",
        "default": "",
        "example": "/opt/airflow/logs/emrs_ext_journal",
    },
    "task_view": {
        "description": "Whether the page of a task in the UI of Airflow 3.1 and newer has a tab that shows its job run "
        "or session. Airflow shows it on the page of every task, also of those that have none.",
        "version_added": "0.1.0",
        "type": "boolean",
        "default": "True",
        "example": "False",
    },
    "studio_url": {
        "description": "Address of the EMR Studio in which the console link of a task opens a job run or session. "
        "Default: none; the link leads to the EMR console, where one chooses a Studio.",
        "version_added": "0.1.0",
        "type": "string",
        "default": "",
        "example": "https://es-0123456789abcdefghijklmno.emrstudio-prod.us-east-1.amazonaws.com",
    },
}


def get_provider_info() -> dict[str, Any]:
    """The provider's information, in the form of Airflow's ``provider_info`` schema."""
    return {
        "package-name": "airflow-emrs-ext",
        "name": "Amazon EMR extensions",
        "description": "Run Spark on Amazon EMR Serverless: applications, job runs, sessions, and a local endpoint.",
        "versions": [__version__],
        "task-decorators": [
            {
                "name": "emr_serverless_session",
                "class-name": "airflow_emrs_ext.decorators.session.emr_serverless_session_task",
            }
        ],
        "extra-links": [
            f"airflow_emrs_ext.links.runs.{name}"
            for name in (
                "RunLink",
                "SparkUILink",
                "DriverStdoutLink",
                "DriverStderrLink",
                "SessionDashboardLink",
                "ConsoleLink",
                "S3LogsLink",
                "CloudWatchLogsLink",
            )
        ],
        "config": {
            SECTION: {
                "description": "Options of the airflow-emrs-ext package.",
                "options": OPTIONS,
            }
        },
    }
