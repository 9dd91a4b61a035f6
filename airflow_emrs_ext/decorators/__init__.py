"""Decorators for tasks."""

NAME = "@task.emr_serverless_session"
"""The decorator as DAG authors write it."""
