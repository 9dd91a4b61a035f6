pytest_plugins = ["airflow_emrs_ext.local.pytest_plugin"]
