"""Properties that refer to a secret of AWS Secrets Manager: ``EMR.secret@NAME``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_emrs_ext.local.base.aws import AwsTarget
from airflow_emrs_ext.local.runners.spark.submit import Settings, SubmitError

ANNOTATION = "EMR.secret@"
"""What a value begins with that refers to a secret."""

# What Secrets Manager adds to a name to make an ARN of it, which the guide has people write.
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")
_REDACTION = "spark.redaction.regex"
_REDACTED_BY_SPARK = "(?i)secret|password|token|access[.]?key"


def resolve(settings: Settings, target: AwsTarget) -> list[str]:
    """Put secrets in place of what refers to them, and have Spark hide these properties.

    :param settings: of a driver, changed in place
    :param target: where Secrets Manager is, in the Region of the job run
    :return: the Spark properties that hold secrets
    :raises SubmitError: a secret cannot be retrieved
    """
    known: dict[str, str] = {}

    def secret(name: str) -> str:
        if name not in known:
            known[name] = _retrieve(name, target)
        return known[name]

    hidden = [name for name, value in settings.properties.items() if value.startswith(ANNOTATION)]
    settings.properties = _resolve(settings.properties, secret)
    settings.environ = _resolve(settings.environ, secret)
    settings.log4j = _resolve(settings.log4j, secret)
    if hidden:
        # Spark shows those of Hadoop and Hive a second time, without what is before their own names.
        shown = {*hidden, *(name.removeprefix("spark.hadoop.") for name in hidden)}
        shown |= {name.removeprefix("spark.") for name in hidden if name.startswith("spark.hive.")}
        names = "|".join(f"^{re.escape(name)}$" for name in sorted(shown))
        redacted = settings.properties.get(_REDACTION, _REDACTED_BY_SPARK)
        settings.properties[_REDACTION] = f"{redacted}|{names}"
    return hidden


def _resolve(group: Mapping[str, str], secret: Callable[[str], str]) -> dict[str, str]:
    return {
        name: secret(value.removeprefix(ANNOTATION)) if value.startswith(ANNOTATION) else value
        for name, value in group.items()
    }


def _retrieve(name: str, target: AwsTarget) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    client = target.client("secretsmanager")
    try:
        try:
            found: dict[str, Any] = client.get_secret_value(SecretId=name)
        except client.exceptions.ResourceNotFoundException:
            if not _SUFFIX.search(name):
                raise
            found = client.get_secret_value(SecretId=_SUFFIX.sub("", name))
            if not found["ARN"].endswith(_SUFFIX.findall(name)[0]):
                raise
    except (BotoCoreError, ClientError) as error:
        raise SubmitError(f"The secret {name} of AWS Secrets Manager could not be retrieved: {error}") from None
    if "SecretString" not in found:
        raise SubmitError(f"The secret {name} of AWS Secrets Manager is no text")
    return str(found["SecretString"])
