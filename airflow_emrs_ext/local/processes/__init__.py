"""Processes that are started here and end with whoever started them: the endpoint, an Airflow, and what guards them."""
