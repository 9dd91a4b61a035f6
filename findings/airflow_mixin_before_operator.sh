#!/usr/bin/env bash
# A mixin that stands before an Airflow operator among the bases of a class makes constructors of other bases be skipped.
#
# Expected: `class Service(ServiceMixin, BaseOperator)`, with a mixin that has no constructor, behaves as Python has it: a
# class that inherits from Service and from a third operator runs the constructor of the third, as each calls super().
#
# What happens: Airflow's metaclass wraps the constructor of a class "only if the class defines it", and takes for a sign
# of that that it is another than that of the first class after it in the MRO. A mixin without a constructor has
# object's, so the inherited constructor of BaseOperator is wrapped and becomes Service's own. In a class with more bases
# it then stands before that of the third operator, which is never called: its attributes are missing when the task
# runs. No error, no warning. With the mixin after the operator, `class Service(BaseOperator, ServiceMixin)`, all run.
#
# Versions: apache-airflow 3.3.2, Python 3.11; 2.11.2 does the same.
#
# Output seen:
#   mixin first: called ['Both'], Third's attribute: missing
#   mixin last:  called ['Both', 'Third'], Third's attribute: there
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet apache-airflow==3.3.2 apache-airflow-task-sdk
cat > "$folder/show.py" <<'PYTHON'
import sys

from airflow.sdk import BaseOperator


def called_by(order):
    """The constructors that a class with two operators as bases runs."""
    called = []

    class ServiceMixin:
        service = "emr"

    class Service(*((ServiceMixin, BaseOperator) if order == "first" else (BaseOperator, ServiceMixin))):
        pass

    class Third(BaseOperator):
        def __init__(self, *, third=True, **kwargs):
            super().__init__(**kwargs)
            called.append("Third")
            self.third = third

    class Both(Service, Third):
        def __init__(self, **kwargs):
            called.append("Both")
            super().__init__(**kwargs)

    return called, hasattr(Both(task_id="task"), "third")


seen = {order: called_by(order) for order in ("first", "last")}
for order, (called, there) in seen.items():
    print(f"mixin {order + ':':6} called {called}, Third's attribute: {'there' if there else 'missing'}")
sys.exit(seen != {"first": (["Both"], False), "last": (["Both", "Third"], True)})
PYTHON
AIRFLOW_HOME="$folder/airflow" "$folder/venv/bin/python" "$folder/show.py"
