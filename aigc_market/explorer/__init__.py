"""The explorer: a marimo app about one market (extra `app`; `aigc-market explore`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aigc_market._checks import needed

NOTEBOOK = Path(__file__).with_name("app.py")
"""The app; `marimo edit` opens it too."""


def asgi_app() -> Any:
    """The app, for any ASGI server.

    Raises:
        ImportError: without the extra `app`.
    """
    with needed("app", "explore needs marimo and altair"):
        import altair  # noqa: F401
        import marimo
    return marimo.create_asgi_app(quiet=True).with_app(path="", root=str(NOTEBOOK)).build()
