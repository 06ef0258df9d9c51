"""What a learner is that is trained beside others, round by round."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from torch import Tensor


class Learner(Protocol):
    """A learner that is asked for actions and told what came of them, in B games at once.

    What it sees is (B, n) single precision, actions are (B, d) in [−1, 1] (others are clipped).
    Training calls `act` and `learn` by turns; `choose` is the policy learned so far.
    """

    def act(self, seen: np.ndarray) -> np.ndarray:
        """Actions (B, d), exploring."""
        ...

    def learn(self, rewards: np.ndarray, after: np.ndarray, over: bool) -> None:
        """Take in the round.

        Args:
            rewards: (B,).
            after: (B, n), what is seen next.
            over: whether the episodes were cut short here; what comes after belongs to others.
        """
        ...

    def choose(self, seen: np.ndarray) -> np.ndarray:
        """Actions (B, d) without exploring."""
        ...

    def weights(self) -> dict[str, Tensor]:
        """All that `choose` depends on."""
        ...

    def put(self, weights: dict[str, Tensor]) -> None:
        """The reverse of `weights`."""
        ...
