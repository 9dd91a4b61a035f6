"""Operators for EMR on EKS virtual clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.exceptions import RequestRejected
from airflow_emrs_ext.operators._base.connection import ContainersMixin, aws_template_fields, passed_on
from airflow_emrs_ext.operators._base.idempotent_start import IdempotentStartOperator
from airflow_emrs_ext.operators._base.operator import EmrContainersOperator
from airflow_emrs_ext.operators._base.parameters import flag, request_of, source_of, text_of
from airflow_emrs_ext.shared.states import VirtualClusterState

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import OperatorArgs
    from airflow_emrs_ext.resources import VirtualCluster


class EmrContainersCreateVirtualClusterOperator(IdempotentStartOperator, ContainersMixin):
    """Register a namespace of an EKS cluster with EMR on EKS (CreateVirtualCluster).

    :param eks_cluster_name: of the EKS cluster
    :param eks_namespace: the namespace, which EMR on EKS is allowed to use
    :param eks_node_label: only nodes with this label run its pods; default: each
    :param name: of the virtual cluster; default ``<dag_id>.<task_id>``, with the index of a mapped task
    :param reuse_existing: if the namespace is registered already, take that virtual cluster instead of failing
    :param tags: of the virtual cluster, beside those that name DAG, run and task (``[emrs_ext] default_tags``)
    :param reattach: take the virtual cluster that an earlier try of the task has created, unless it was deleted;
        ``False``: create another
    :param client_request_token: idempotency token of your own; default: the task's
    :param config: further members of CreateVirtualCluster in the API's own form, for what has no parameter here, e.g.
        ``{"schedulerConfiguration": {"maxConcurrentJobRuns": 10}}``
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
    :return: :class:`~airflow_emrs_ext.results.VirtualClusterResult`
    :raises RequestRejected: the service refused a parameter; the message names it and the remedy
    """

    template_fields: Sequence[str] = aws_template_fields(
        "eks_cluster_name", "eks_namespace", "eks_node_label", "name", "tags", "client_request_token", "config"
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"tags": "json", "config": "json"}

    @property
    def kind(self) -> VirtualCluster:
        """The kind of resource."""
        from airflow_emrs_ext.resources import VIRTUAL_CLUSTER

        return VIRTUAL_CLUSTER

    def __init__(
        self,
        *,
        eks_cluster_name: str,
        eks_namespace: str,
        eks_node_label: str | None = None,
        name: str | None = None,
        reuse_existing: bool = False,
        tags: Mapping[str, str] | None = None,
        client_request_token: str | None = None,
        config: Mapping[str, Any] | None = None,
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
                "eks_cluster_name",
                "eks_namespace",
                "eks_node_label",
                "name",
                "reuse_existing",
                "tags",
                "client_request_token",
                "config",
            )
        )
        self.eks_cluster_name = eks_cluster_name
        self.eks_namespace = eks_namespace
        self.eks_node_label = eks_node_label
        self.name = name
        self.reuse_existing = reuse_existing
        self.tags = tags
        self.client_request_token = client_request_token
        self.config = config

    def act(self, context: Context) -> dict[str, Any]:
        """Create or find the virtual cluster, which is ready at once."""
        for name in ("eks_cluster_name", "eks_namespace"):
            setattr(self, name, text_of(getattr(self, name), name, source_of(self, name)))
        facts = self._existing() if self.reuse_existing else None
        if facts is None:
            facts = self._create(context)
        context["ti"].xcom_push(key="virtual_cluster_id", value=facts["virtual_cluster_id"])
        return facts

    def _create(self, context: Context) -> dict[str, Any]:
        try:
            return self.start_once(context, self._request(context))
        except RequestRejected:
            # Another task may have been faster with the namespace.
            facts = self._existing() if self.reuse_existing else None
            if facts is None:
                raise
            return facts

    def _request(self, context: Context) -> dict[str, Any]:
        eks = {"namespace": self.eks_namespace}
        if self.eks_node_label is not None:
            eks["nodeLabel"] = self.eks_node_label
        provider = {"type": "EKS", "id": self.eks_cluster_name, "info": {"eksInfo": eks}}
        given = request_of(
            self.kind.service,
            self.kind.starts,
            self.config,
            container_provider=provider,
            name=self.name,
            tags=self.tags,
        )
        return {**given, **self.ownership(context, given)}

    def _existing(self) -> dict[str, Any] | None:
        usable = [VirtualClusterState.RUNNING]
        for one in self.hook.list_virtual_clusters(container_provider_id=self.eks_cluster_name, states=usable):
            ids = self.kind.ids_of(one)
            facts: dict[str, Any] = self.kind.read(ids, {"virtualCluster": one}).facts
            if facts["namespace"] == self.eks_namespace:
                self.log.info("Using %s of namespace %s, which exists", self.kind.label(ids), self.eks_namespace)
                return facts
        return None


class EmrContainersDeleteVirtualClusterOperator(EmrContainersOperator):
    """Delete an EMR on EKS virtual cluster and wait until it is gone (DeleteVirtualCluster).

    One that is gone already is success. The EKS cluster and its namespace stay.

    :param virtual_cluster_id: of the virtual cluster, or the result of the operator that created it
    :param force_delete: cancel its job runs and delete its managed endpoints first, and wait for their end
    :param wait_for_completion: ``False``: request the deletion and return
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
    :return: ``virtual_cluster_id``, ``state`` and what else is known of it
    """

    template_fields: Sequence[str] = aws_template_fields(
        "wait_timeout", "waiter_delay", "virtual_cluster_id", "force_delete"
    )

    def __init__(
        self,
        *,
        virtual_cluster_id: Any,
        force_delete: bool | str = False,
        wait_for_completion: bool = True,
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
        super().__init__(**passed_on(locals(), "virtual_cluster_id", "force_delete", "wait_for_completion"))
        self.virtual_cluster_id = virtual_cluster_id
        self.force_delete = force_delete
        self.wait_for_completion = wait_for_completion

    def act(self, context: Context) -> dict[str, Any]:
        """End what runs there if asked, request the deletion, then wait."""
        from airflow_emrs_ext.workflows.drain import delete_virtual_cluster

        return self.follow(
            context,
            delete_virtual_cluster,
            virtual_cluster_id=self.id_of("virtual_cluster_id"),
            force_delete=flag(self.force_delete, "force_delete"),
            wait_for_completion=self.wait_for_completion,
        )
