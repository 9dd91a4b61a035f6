"""Decorators for tasks."""
