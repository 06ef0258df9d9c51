"""Where the numbers of a round stand in a row of the history (Eq. 16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import array_api_compat


class Row(Protocol):
    """What a history must know of a game's rows."""

    @property
    def price(self) -> int | slice:
        """Where the price stands, or the prices."""
        ...

    @property
    def steps(self) -> slice:
        """Where the leader's account of the steps stands."""
        ...

    @property
    def delivered(self) -> slice:
        """Where the steps delivered stand."""
        ...

    @property
    def active(self) -> slice:
        """Where it stands who will answer next; empty where nobody comes or goes."""
        ...

    @property
    def width(self) -> int:
        """Numbers in a row."""
        ...


@dataclass(frozen=True)
class RoundRow:
    """A row is p, S_1 … S_K and, where VMUs come and go, m_1 … m_K: who will answer next.

    S_k is what VMU k asked for. That is what it was delivered too, unless there is a capacity: then
    a row may end in what was delivered, which VMUs see and the leader can work out.
    """

    K: int
    """How many VMUs there are."""
    masked: bool = False
    """Whether VMUs come and go."""
    rationed: bool = False
    """Whether a row ends in what was delivered."""
    price = 0
    """Where p stands."""

    @property
    def steps(self) -> slice:
        """Where the steps asked for stand."""
        return slice(1, self.K + 1)

    @property
    def active(self) -> slice:
        """Where it stands who will answer the next price; empty where nobody comes or goes."""
        return slice(self.K + 1, self.seen)

    @property
    def delivered(self) -> slice:
        """Where the steps delivered stand."""
        return slice(self.seen, self.width) if self.rationed else self.steps

    @property
    def seen(self) -> int:
        """Numbers in front that the leader sees."""
        return 1 + self.K * (2 if self.masked else 1)

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return self.seen + (self.K if self.rationed else 0)

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
