"""How Sphinx builds the documentation; `make docs` runs it with warnings as errors."""

import os
from importlib.metadata import version as version_of
from pathlib import Path

# Importing the package imports Airflow, which makes a home directory: not in the user's.
os.environ["AIRFLOW_HOME"] = str(Path(__file__).parent / "_build" / "airflow")

project = "airflow-emrs-ext"
author = "The airflow-emrs-ext authors"
release = version = version_of("airflow-emrs-ext")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "measurements"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]

autodoc_typehints = "none"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = f"airflow-emrs-ext {release}"
html_static_path = ["_static"]
html_css_files = ["style.css"]
