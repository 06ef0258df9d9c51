"""A trained network as a pricing method."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from baselines.arena.protocol import History
from baselines.methods.filter.network import Cache, MarketTransformer

_ROWS = 1024
"""VMUs, of all episodes, that are looked at together: tensors then fit the processor's cache."""


class Leader:
    """Plays N episodes at once, with the mean prices of the policy.

    Args:
        network: the policy.
        num_envs: N.
    """

    def __init__(self, network: MarketTransformer, num_envs: int) -> None:
        self.num_envs = num_envs
        self._network = network
        self._caches: list[Cache] = []

    @torch.inference_mode()
    def act(self, history: History) -> np.ndarray:
        """Prices (N,) for the round to come; called once a round."""
        parts = _tensor(history.active).split(max(1, _ROWS // history.active.shape[1]))
        if history.prices.shape[1] == 0:
            begun = [self._network.start(active) for active in parts]
            self._caches = [cache for cache, _ in begun]
            outputs = [output for _, output in begun]
        elif not self._caches:
            raise ValueError("history must begin with no round at all, got one in play")
        else:
            price, steps = (_tensor(a[:, -1]) for a in (history.prices, history.steps))
            sizes = [len(part) for part in parts]
            rounds = zip(self._caches, price.split(sizes), steps.split(sizes), parts, strict=True)
            outputs = [self._network.step(*of_part) for of_part in rounds]
        actions = torch.cat([output.action for output in outputs])
        return self._network.price(actions).double().numpy()


def _tensor(array: np.ndarray) -> Tensor:
    return torch.as_tensor(array, dtype=torch.float32)
