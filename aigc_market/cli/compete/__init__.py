"""`aigc-market compete`: several providers."""

from __future__ import annotations

from aigc_market.cli.compete.play import Play
from aigc_market.cli.compete.solve import Solve

__all__ = ["Play", "Solve"]
