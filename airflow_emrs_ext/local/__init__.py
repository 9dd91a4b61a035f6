"""A local EMR endpoint: a development and test server that speaks the AWS API and runs real Spark.

Nothing in the Airflow face of the package imports this; it needs the ``local`` extra.
"""
