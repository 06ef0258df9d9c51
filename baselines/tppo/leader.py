"""A trained network as a pricing method."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from baselines.methods.history import History
from baselines.tppo.network import Cache, MarketTransformer


class Leader:
    """Plays N episodes at once, with the mean prices of the policy.

    Args:
        network: the policy.
        num_envs: N.
    """

    def __init__(self, network: MarketTransformer, num_envs: int) -> None:
        self.num_envs = num_envs
        self._network = network
        self._cache: Cache | None = None

    @torch.no_grad()
    def act(self, history: History) -> np.ndarray:
        """Prices (N,) for the round to come; called once a round."""
        active = self._tensor(history.active)
        if history.prices.shape[1] == 0:
            self._cache, output = self._network.start(active)
        elif self._cache is None:
            raise ValueError("history must begin with no round at all, got one in play")
        else:
            price, steps = (self._tensor(a[:, -1]) for a in (history.prices, history.steps))
            output = self._network.step(self._cache, price, steps, active)
        return self._network.price(output.action).double().numpy()

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float32)
