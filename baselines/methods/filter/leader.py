"""A trained network as a pricing method."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from baselines.arena.protocol import History
from baselines.arena.task import Task
from baselines.methods.filter.network import Cache, PricingNetwork

_ROWS = 1024
"""VMUs, of all episodes, that are looked at together: tensors then fit the processor's cache."""


class Leader:
    """Plays N episodes at once, with the policy's noise, if its standard deviation is not 0.

    Args:
        network: the policy.
        num_envs: N.
        seed: of the noise.
    """

    def __init__(self, network: PricingNetwork, num_envs: int, seed: int = 0) -> None:
        self.num_envs = num_envs
        self._network = network
        self._std = network.log_std.exp().item()
        self._generator = torch.Generator().manual_seed(seed)
        self._caches: list[Cache] = []

    @torch.inference_mode()
    def act(self, history: History) -> np.ndarray:
        """Prices (N,) for the round to come; called once a round."""
        parts = _tensor(history.active).split(max(1, _ROWS // history.active.shape[1]))
        sizes = [len(part) for part in parts]
        limits = [None] * len(parts)
        if history.capacity is not None:
            limits = _tensor(history.capacity).split(sizes)
        if history.prices.shape[1] == 0:
            begun = [self._network.start(*now) for now in zip(parts, limits, strict=True)]
            self._caches = [cache for cache, _ in begun]
            actions = [action for _, action in begun]
        elif not self._caches:
            raise ValueError("history must begin with no round at all, got one in play")
        else:
            last = (_tensor(of[:, -1]).split(sizes) for of in (history.prices, history.steps))
            rounds = zip(self._caches, *last, parts, limits, strict=True)
            actions = [self._network.step(*of_part) for of_part in rounds]
        action = torch.cat(actions)
        if self._std > 0:
            action = action + self._std * torch.randn(len(action), generator=self._generator)
        return self._network.price(action).double().numpy()


def unfitted(task: Task, num_envs: int, seed: int) -> Leader:
    """The price that is best by the filter as it begins, and some dispersion: nothing is learnt."""
    network = PricingNetwork(task.public())  # its random weights say nothing before training
    network.log_std.data.fill_(-torch.inf)
    return Leader(network.eval(), num_envs, seed)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.as_tensor(array, dtype=torch.float32)
