"""``python -m airflow_emrs_ext.local``."""

from airflow_emrs_ext.local.cli import main

if __name__ == "__main__":
    main()
