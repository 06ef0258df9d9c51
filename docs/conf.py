"""Sphinx: `make docs`."""

import logging
import os
import sys
from pathlib import Path

import aigc_market

sys.path.insert(0, str(Path(__file__).parent))
import environment_pages

project = "aigc_market"
author = "The aigc_market developers"
copyright = "2026, The aigc_market developers"  # noqa: A001 (Sphinx's name)
release = aigc_market.__version__
extensions = [
    "myst_nb",  # myst_parser, and pages that are notebooks: docs/tutorials
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx-mathjax-offline",  # formulas show without a network too
]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "cache"  # a notebook runs anew when its code changes
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_output_stderr = "remove"  # what libraries warn of is not the tutorial's
logging.getLogger("traitlets").setLevel(logging.WARNING)  # it tells of each kernel's start
# Kernels of docs/jupyter, which are started as others are, but without their warning of TCP.
os.environ["JUPYTER_PATH"] = str(Path(__file__).parent / "jupyter")
html_theme = "furo"
html_title = f"aigc_market {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
templates_path = ["_templates"]
html_sidebars = {
    "**": [  # furo's own, and the switch between versions
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "versions.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
default_role = "code"
exclude_patterns = ["hidden-markets/*", "_build", ".jupyter_cache", "jupyter_execute"]
linkcheck_ignore = [r"https://doi\.org/"]  # publishers turn robots away
autodoc_mock_imports = ["benchmarl"]  # what it needs besides is large, and two classes want it
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = True


def setup(app):
    """Write the pages of the environments, before Sphinx looks for pages."""
    environment_pages.write(Path(__file__).parent / "environments")
