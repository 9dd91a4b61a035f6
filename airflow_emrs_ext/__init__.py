"""Operators, sensors, triggers and a local endpoint for Apache Airflow users of Amazon EMR Serverless."""

__version__ = "0.1.0"
