"""The S3 that Spark sees: objects as files. What keeps them is moto, in :mod:`airflow_emrs_ext.local.services`."""
