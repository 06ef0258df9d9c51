"""Where the numbers of a round stand in what the leader of one provider's game sees (Eq. 16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat


@dataclass(frozen=True)
class RoundRow:
    """A row is p, S_1 … S_K and, where VMUs come and go, m_1 … m_K: who will answer next.

    S_k is what VMU k asked for.
    """

    K: int
    """How many VMUs there are."""
    masked: bool = False
    """Whether VMUs come and go."""
    price = 0
    """Where p stands."""

    @property
    def steps(self) -> slice:
        """Where the steps asked for stand."""
        return slice(1, self.K + 1)

    @property
    def active(self) -> slice:
        """Where it stands who will answer the next price; empty where nobody comes or goes."""
        return slice(self.K + 1, self.width)

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return 1 + self.K * (2 if self.masked else 1)

    def split(self, rows: Any) -> tuple[Any, Any, Any]:
        """Take rows apart.

        Args:
            rows: (…, width), NumPy or torch.

        Returns:
            Prices (…), steps (…, K), and 1 for those who will answer the next price (…, K): for
            everyone where nobody comes or goes. Views, but for the latter.
        """
        steps = rows[..., self.steps]
        if self.masked:
            active = rows[..., self.active]
        else:
            active = array_api_compat.array_namespace(rows).ones_like(steps)
        return rows[..., self.price], steps, active
