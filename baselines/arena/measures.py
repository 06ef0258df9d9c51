"""What is recorded of a round: the leader's play, and the equilibrium's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MEASURES = ("price", "utility", "equilibrium_price", "equilibrium_utility", "regret")


def measure(infos: dict[str, Any]) -> dict[str, float]:
    """Means over the lanes of a vector environment's infos, at an episode's end too."""
    infos = infos.get("final_info", infos)
    return {name: float(infos[name].mean()) for name in MEASURES}


def means(records: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over records."""
    return {name: sum(record[name] for record in records) / len(records) for name in MEASURES}
