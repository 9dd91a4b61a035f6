"""Operators for the life of an EMR Serverless application."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.aws.ownership_tags import TaskIdentity
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.operators._base.connection import aws_template_fields, passed_on
from airflow_emrs_ext.operators._base.idempotent_start import IdempotentStartOperator
from airflow_emrs_ext.operators._base.operator import EmrServerlessOperator
from airflow_emrs_ext.operators._base.parameters import request_of, structure_of
from airflow_emrs_ext.shared.states import ApplicationState

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import OperatorArgs
    from airflow_emrs_ext.resources import Application

Structure = Mapping[str, Any]
Architecture = Literal["X86_64", "ARM64"]

OnDrift = Literal["fail", "update", "keep"]
"""What becomes of an application that is there with other settings."""

# The members that CreateApplication and UpdateApplication share; each is a parameter of both operators.
_SETTINGS = (
    "architecture",
    "auto_start_configuration",
    "auto_stop_configuration",
    "disk_encryption_configuration",
    "identity_center_configuration",
    "image_configuration",
    "initial_capacity",
    "interactive_configuration",
    "job_level_cost_allocation_configuration",
    "maximum_capacity",
    "monitoring_configuration",
    "network_configuration",
    "release_label",
    "runtime_configuration",
    "scheduler_configuration",
    "worker_type_specifications",
)


# What a request says that is no setting of the application.
_NO_SETTINGS = frozenset({"name", "tags", "type"})


class _ApplicationSettingsOperator(EmrServerlessOperator):
    """An operator that takes an application's settings, each in the API's own form.

    :param architecture: ``X86_64`` (the service's default) or ``ARM64``
    :param auto_start_configuration: ``{"enabled": True}`` (the service's default): start on submission
    :param auto_stop_configuration: ``{"enabled": True, "idleTimeoutMinutes": 15}`` (the service's default)
    :param disk_encryption_configuration: ``{"encryptionKeyArn": …, "encryptionContext": {…}}``
    :param identity_center_configuration: ``{"identityCenterInstanceArn": …}``
    :param image_configuration: ``{"imageUri": …}``
    :param initial_capacity: pre-initialized workers: ``{"DRIVER": {"workerCount": 1, "workerConfiguration": {…}}}``
    :param interactive_configuration: ``{"studioEnabled": …, "livyEndpointEnabled": …, "sessionEnabled": …}``
    :param job_level_cost_allocation_configuration: ``{"enabled": True}``
    :param maximum_capacity: ``{"cpu": "16 vCPU", "memory": "64 GB", "disk": "200 GB"}``
    :param monitoring_configuration: where logs go by default
    :param network_configuration: ``{"subnetIds": […], "securityGroupIds": […]}``
    :param release_label: EMR release, e.g. ``emr-7.9.0``
    :param runtime_configuration: default configurations: ``[{"classification": "spark-defaults", "properties": {…}}]``
    :param scheduler_configuration: ``{"maxConcurrentRuns": 15, "queueTimeoutMinutes": 360}``
    :param worker_type_specifications: images by worker type
    """

    template_fields: Sequence[str] = aws_template_fields("wait_timeout", "waiter_delay", *_SETTINGS)

    @property
    def kind(self) -> Application:
        """The kind of resource."""
        from airflow_emrs_ext.resources import APPLICATION

        return APPLICATION

    def __init__(
        self,
        *,
        architecture: Architecture | None = None,
        auto_start_configuration: Structure | None = None,
        auto_stop_configuration: Structure | None = None,
        disk_encryption_configuration: Structure | None = None,
        identity_center_configuration: Structure | None = None,
        image_configuration: Structure | None = None,
        initial_capacity: Structure | None = None,
        interactive_configuration: Structure | None = None,
        job_level_cost_allocation_configuration: Structure | None = None,
        maximum_capacity: Structure | None = None,
        monitoring_configuration: Structure | None = None,
        network_configuration: Structure | None = None,
        release_label: str | None = None,
        runtime_configuration: Sequence[Structure] | None = None,
        scheduler_configuration: Structure | None = None,
        worker_type_specifications: Structure | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.architecture = architecture
        self.auto_start_configuration = auto_start_configuration
        self.auto_stop_configuration = auto_stop_configuration
        self.disk_encryption_configuration = disk_encryption_configuration
        self.identity_center_configuration = identity_center_configuration
        self.image_configuration = image_configuration
        self.initial_capacity = initial_capacity
        self.interactive_configuration = interactive_configuration
        self.job_level_cost_allocation_configuration = job_level_cost_allocation_configuration
        self.maximum_capacity = maximum_capacity
        self.monitoring_configuration = monitoring_configuration
        self.network_configuration = network_configuration
        self.release_label = release_label
        self.runtime_configuration = runtime_configuration
        self.scheduler_configuration = scheduler_configuration
        self.worker_type_specifications = worker_type_specifications

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _SETTINGS}


class EmrServerlessCreateApplicationOperator(_ApplicationSettingsOperator, IdempotentStartOperator):
    """Create an EMR Serverless application and wait until it is ready (CreateApplication).

    :param release_label: EMR release, e.g. ``emr-7.9.0``; required
    :param job_type: ``SPARK`` (default) or ``HIVE``
    :param name: of the application; need not be unique
    :param tags: of the application
    :param reuse_existing: if an application of this ``name`` is there, take that one (the newest) instead of creating
        another
    :param on_drift: what becomes of one that is there and has other settings than the task gives; those that the task
        does not give may be anything. ``fail`` (default): the task fails, and says the differences; ``update``: it is
        stopped once nobody uses it, updated, and started again; ``keep``: it is taken as it is, with a warning
    :param start_application: start it too, so that pre-initialized workers are ready; job runs start it by themselves
        unless ``auto_start_configuration`` says otherwise
    :param wait_for_completion: wait until it is CREATED (with ``start_application``: STARTED)
    :param reattach: take the application that an earlier try of the task has created, unless it was deleted;
        ``False``: create another
    :param client_request_token: idempotency token of your own; default: the task's
    :param config: further members of CreateApplication in the API's own form, for what has no parameter here
    :param architecture: ``X86_64`` (the service's default) or ``ARM64``
    :param auto_start_configuration: ``{"enabled": True}`` (the service's default): start on submission
    :param auto_stop_configuration: ``{"enabled": True, "idleTimeoutMinutes": 15}`` (the service's default)
    :param disk_encryption_configuration: ``{"encryptionKeyArn": …, "encryptionContext": {…}}``
    :param identity_center_configuration: ``{"identityCenterInstanceArn": …}``
    :param image_configuration: ``{"imageUri": …}``
    :param initial_capacity: pre-initialized workers: ``{"DRIVER": {"workerCount": 1, "workerConfiguration": {…}}}``
    :param interactive_configuration: ``{"studioEnabled": …, "livyEndpointEnabled": …, "sessionEnabled": …}``
    :param job_level_cost_allocation_configuration: ``{"enabled": True}``
    :param maximum_capacity: ``{"cpu": "16 vCPU", "memory": "64 GB", "disk": "200 GB"}``
    :param monitoring_configuration: where logs go by default
    :param network_configuration: ``{"subnetIds": […], "securityGroupIds": […]}``
    :param runtime_configuration: default configurations: ``[{"classification": "spark-defaults", "properties": {…}}]``
    :param scheduler_configuration: ``{"maxConcurrentRuns": 15, "queueTimeoutMinutes": 360}``
    :param worker_type_specifications: images by worker type
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: longest pause between two looks while waiting, in seconds; default ``[emrs_ext] waiter_delay``,
        30 s. The first looks come sooner.
    :param wait_timeout: how long to wait at most, a timedelta or seconds; default: until ``execution_timeout`` if the
        task has one, else without limit
    :param waiter_max_attempts: another way to say ``wait_timeout``, for DAGs that come from the Amazon provider: the
        limit is ``waiter_max_attempts`` times ``waiter_delay``, or 60 s without that, as there
    :param deferrable: wait in the triggerer instead of a worker; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred task of changes of state; an empty one: none;
        default ``[emrs_ext] notification_queue``
    :param end_from_trigger: let the trigger end a deferred task that succeeds, so that no worker is started; takes
        Airflow 3.3. A worker ends the task as ever, and its log says why, where anything would be lost, such as
        callbacks, listeners and outlets. Default ``False``
    :return: :class:`~airflow_emrs_ext.results.ApplicationResult`
    :raises RequestRejected: the service refused a parameter; the message names it and the remedy
    """

    template_fields: Sequence[str] = aws_template_fields(
        "wait_timeout", "waiter_delay", *_SETTINGS, "job_type", "name", "tags", "config", "client_request_token"
    )

    def __init__(
        self,
        *,
        job_type: str | None = None,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        reuse_existing: bool = False,
        on_drift: OnDrift = "fail",
        start_application: bool = False,
        wait_for_completion: bool = True,
        client_request_token: str | None = None,
        config: Structure | None = None,
        architecture: Architecture | None = None,
        auto_start_configuration: Structure | None = None,
        auto_stop_configuration: Structure | None = None,
        disk_encryption_configuration: Structure | None = None,
        identity_center_configuration: Structure | None = None,
        image_configuration: Structure | None = None,
        initial_capacity: Structure | None = None,
        interactive_configuration: Structure | None = None,
        job_level_cost_allocation_configuration: Structure | None = None,
        maximum_capacity: Structure | None = None,
        monitoring_configuration: Structure | None = None,
        network_configuration: Structure | None = None,
        release_label: str | None = None,
        runtime_configuration: Sequence[Structure] | None = None,
        scheduler_configuration: Structure | None = None,
        worker_type_specifications: Structure | None = None,
        reattach: bool = True,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        waiter_delay: float | None = None,
        wait_timeout: timedelta | float | None = None,
        waiter_max_attempts: int | None = None,
        deferrable: bool | None = None,
        notification_queue: str | None = None,
        end_from_trigger: bool = False,
        **kwargs: Unpack[OperatorArgs],
    ) -> None:
        super().__init__(
            **passed_on(
                locals(),
                "job_type",
                "name",
                "tags",
                "reuse_existing",
                "on_drift",
                "start_application",
                "wait_for_completion",
                "client_request_token",
                "config",
            )
        )
        self.job_type = job_type
        self.name = name
        self.tags = tags
        self.reuse_existing = reuse_existing
        self.on_drift = on_drift
        self.start_application = start_application
        self.wait_for_completion = wait_for_completion
        self.client_request_token = client_request_token
        self.config = config
        if release_label is None and (config is None or (isinstance(config, Mapping) and "releaseLabel" not in config)):
            raise ConfigurationError("`release_label` is missing: the EMR release of the application, e.g. emr-7.9.0.")

    def act(self, context: Context) -> dict[str, Any]:
        """Create or find the application, then wait for it."""
        from airflow_emrs_ext.workflows.application import create_application, update_application

        request, changes = self._request(context), {}
        found = self._existing(request) if self.reuse_existing else None
        if found is None:
            application_id = self.start_once(context, request)["application_id"]
        else:
            application_id = str(found["applicationId"])
            changes = self._changes(request, found)
        context["ti"].xcom_push(key="application_id", value=application_id)
        if changes:
            return self.follow(
                context,
                update_application,
                application_id=application_id,
                changes=changes,
                token=TaskIdentity.of(context).seed("update", context["ti"].try_number),
                start=self.start_application,
            )
        if not self.wait_for_completion:
            ids = {"application_id": application_id}
            response = {"application": self.hook.get_application(application_id)}
            facts: dict[str, Any] = self.kind.read(ids, response).facts
            return facts
        return self.follow(context, create_application, application_id=application_id, start=self.start_application)

    def _request(self, context: Context) -> dict[str, Any]:
        given = request_of(
            self.kind.service,
            self.kind.starts,
            self.config,
            {"type": "job_type"},
            type=self.job_type or structure_of(self.config, "config").get("type") or "SPARK",
            name=self.name,
            tags=self.tags,
            **self._settings(),
        )
        return {
            "release_label": None,
            **given,
            "tags": self.ownership(context, given)["tags"],
        }

    def _existing(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The newest application of that name, as the service describes it."""
        name = request.get("name")
        if not name:
            raise ConfigurationError("`reuse_existing` needs `name`: the name of the application to look for.")
        usable = [state for state in ApplicationState if state.is_active]
        namesakes = [one for one in self.hook.list_applications(states=usable) if one.get("name") == name]
        if not namesakes:
            return None
        newest = max(namesakes, key=lambda one: one["createdAt"])
        self.log.info("Using the existing application %s named %r", newest["id"], name)
        return self.hook.get_application(newest["id"])

    def _changes(self, request: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of an application that are to be changed.

        :raises ConfigurationError: it differs, and that is not wanted, or cannot be changed
        """
        from airflow_emrs_ext.aws.drift import differences

        given = {name: value for name, value in request.items() if name not in _NO_SETTINGS and value is not None}
        settings = {self.kind.member(name): value for name, value in given.items()}
        other_type = str(request["type"]).upper() != str(found["type"]).upper()
        drift = differences(self.kind.service, self.kind.starts, settings, found)
        if not (drift or other_type):
            return {}
        said = "; ".join(
            [*([f"type: {found['type']!r} instead of {request['type']!r}"] if other_type else []), *map(str, drift)]
        )
        about = f"application {found['applicationId']} named {request['name']!r}"
        if other_type or self.on_drift == "fail":
            remedy = (
                "Nothing changes its type: give another `name`, or delete it."
                if other_type
                else "Give it these settings (`on_drift` 'update'), take it as it is ('keep'), or give another `name`."
            )
            raise ConfigurationError(
                f"`reuse_existing` found {about}, which differs: {said}. {remedy}",
                {"application_id": found["applicationId"]},
            )
        if self.on_drift == "keep":
            self.log.warning("Taken as it is: %s differs: %s", about, said)
            return {}
        self.log.info("Updating %s: %s", about, said)
        members = {one.path.partition(".")[0] for one in drift}
        return {name: value for name, value in given.items() if self.kind.member(name) in members}


class EmrServerlessUpdateApplicationOperator(_ApplicationSettingsOperator):
    """Change settings of an EMR Serverless application (UpdateApplication); most need it CREATED or STOPPED.

    :param application_id: of the application, or the result of the operator that created it
    :param config: further members of UpdateApplication in the API's own form
    :param client_request_token: idempotency token of your own; default: one per try of the task
    :param architecture: ``X86_64`` (the service's default) or ``ARM64``
    :param auto_start_configuration: ``{"enabled": True}`` (the service's default): start on submission
    :param auto_stop_configuration: ``{"enabled": True, "idleTimeoutMinutes": 15}`` (the service's default)
    :param disk_encryption_configuration: ``{"encryptionKeyArn": …, "encryptionContext": {…}}``
    :param identity_center_configuration: ``{"identityCenterInstanceArn": …}``
    :param image_configuration: ``{"imageUri": …}``
    :param initial_capacity: pre-initialized workers: ``{"DRIVER": {"workerCount": 1, "workerConfiguration": {…}}}``
    :param interactive_configuration: ``{"studioEnabled": …, "livyEndpointEnabled": …, "sessionEnabled": …}``
    :param job_level_cost_allocation_configuration: ``{"enabled": True}``
    :param maximum_capacity: ``{"cpu": "16 vCPU", "memory": "64 GB", "disk": "200 GB"}``
    :param monitoring_configuration: where logs go by default
    :param network_configuration: ``{"subnetIds": […], "securityGroupIds": […]}``
    :param release_label: EMR release, e.g. ``emr-7.9.0``
    :param runtime_configuration: default configurations: ``[{"classification": "spark-defaults", "properties": {…}}]``
    :param scheduler_configuration: ``{"maxConcurrentRuns": 15, "queueTimeoutMinutes": 360}``
    :param worker_type_specifications: images by worker type
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: longest pause between two looks while waiting, in seconds; default ``[emrs_ext] waiter_delay``,
        30 s. The first looks come sooner.
    :param wait_timeout: how long to wait at most, a timedelta or seconds; default: until ``execution_timeout`` if the
        task has one, else without limit
    :param waiter_max_attempts: another way to say ``wait_timeout``, for DAGs that come from the Amazon provider: the
        limit is ``waiter_max_attempts`` times ``waiter_delay``, or 60 s without that, as there
    :param deferrable: wait in the triggerer instead of a worker; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred task of changes of state; an empty one: none;
        default ``[emrs_ext] notification_queue``
    :param end_from_trigger: let the trigger end a deferred task that succeeds, so that no worker is started; takes
        Airflow 3.3. A worker ends the task as ever, and its log says why, where anything would be lost, such as
        callbacks, listeners and outlets. Default ``False``
    :return: :class:`~airflow_emrs_ext.results.ApplicationResult`
    """

    template_fields: Sequence[str] = aws_template_fields(
        "wait_timeout", "waiter_delay", *_SETTINGS, "application_id", "config", "client_request_token"
    )

    def __init__(
        self,
        *,
        application_id: Any,
        config: Structure | None = None,
        client_request_token: str | None = None,
        architecture: Architecture | None = None,
        auto_start_configuration: Structure | None = None,
        auto_stop_configuration: Structure | None = None,
        disk_encryption_configuration: Structure | None = None,
        identity_center_configuration: Structure | None = None,
        image_configuration: Structure | None = None,
        initial_capacity: Structure | None = None,
        interactive_configuration: Structure | None = None,
        job_level_cost_allocation_configuration: Structure | None = None,
        maximum_capacity: Structure | None = None,
        monitoring_configuration: Structure | None = None,
        network_configuration: Structure | None = None,
        release_label: str | None = None,
        runtime_configuration: Sequence[Structure] | None = None,
        scheduler_configuration: Structure | None = None,
        worker_type_specifications: Structure | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        waiter_delay: float | None = None,
        wait_timeout: timedelta | float | None = None,
        waiter_max_attempts: int | None = None,
        deferrable: bool | None = None,
        notification_queue: str | None = None,
        end_from_trigger: bool = False,
        **kwargs: Unpack[OperatorArgs],
    ) -> None:
        super().__init__(**passed_on(locals(), "application_id", "config", "client_request_token"))
        self.application_id = application_id
        self.config = config
        self.client_request_token = client_request_token

    def act(self, context: Context) -> dict[str, Any]:
        """Send the changes."""
        application_id = self.id_of("application_id")
        changes = request_of(self.kind.service, "update_application", self.config, **self._settings())
        given = self.client_request_token or structure_of(self.config, "config").get("clientToken")
        # A try that follows a lost answer sends the changes again, which changes nothing.
        token = given or TaskIdentity.of(context).seed(context["ti"].try_number)
        application = self.hook.update_application(application_id, client_token=token, **changes)
        facts: dict[str, Any] = self.kind.read({"application_id": application_id}, {"application": application}).facts
        return facts
