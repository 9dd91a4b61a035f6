"""What is EMR on EC2's own in links and pages."""

from __future__ import annotations

from typing_extensions import override

from airflow_emrs_ext.plugin import console
from airflow_emrs_ext.plugin.views.base import RunView


class ClusterSessionView(RunView):
    """A session of a cluster of EMR on EC2; the API has no operation that leads to its Spark UI."""

    @override
    def console_page(self) -> str:
        return console.ec2(self.console, self.region, self.ids["cluster_id"])
