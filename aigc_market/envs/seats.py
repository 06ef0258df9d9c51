"""Who sits where: a seat is a role and a number."""

from __future__ import annotations

from typing import NamedTuple

LEADER, FOLLOWER = "asp", "vmu"


class Seat(NamedTuple):
    """One agent's place in the game."""

    role: str
    """`LEADER` or `FOLLOWER`."""
    number: int
    """Among those of the same role, from 0."""

    @property
    def agent(self) -> str:
        """The agent's name in the environments."""
        return f"{self.role}_{self.number}"
