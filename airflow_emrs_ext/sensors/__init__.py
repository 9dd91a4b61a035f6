"""The sensors of each service."""
