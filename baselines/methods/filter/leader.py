"""A network on the filter as a pricing method."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from baselines.arena.protocol import History, PublicParameters
from baselines.arena.task import Task
from baselines.methods.filter.information import Information, Tracker
from baselines.methods.filter.network import PricingNetwork, in_numpy, initial
from baselines.runs.policy_files import read


class Leader:
    """Plays N episodes at once, with the policy's noise, if its standard deviation is not 0.

    Args:
        network: the policy, on arrays of NumPy.
        std: standard deviation of the noise, of actions in [−1, 1].
        num_envs: N.
        seed: of the noise.
    """

    def __init__(self, network: PricingNetwork, std: float, num_envs: int, seed: int = 0) -> None:
        self.num_envs = num_envs
        self.network, self._std = network, std
        self._rng = np.random.default_rng(seed)
        self._tracker: Tracker | None = None

    def act(self, history: History) -> np.ndarray:
        """Prices (N,) for the round to come; called once a round."""
        action = self.network.action(self.inform(history))
        if self._std > 0:
            action = action + self._std * self._rng.standard_normal(len(action))
        return self.network.price(action).astype(np.float64)

    def inform(self, history: History) -> Information:
        """What is known now; called once a round."""
        coming = _single(history.active), _single(history.capacity)
        if history.prices.shape[1] == 0:
            self._tracker = Tracker(self.network.demand_filter, *coming)
        elif self._tracker is None:
            raise ValueError("history must begin with no round at all, got one in play")
        else:
            last = _single(history.prices[:, -1]), _single(history.steps[:, -1])
            self._tracker.observe(*last, *coming)
        return self._tracker.known


def unfitted(task: Task, num_envs: int, seed: int) -> Leader:
    """The price that is best by the filter as it begins, and some dispersion: nothing is learnt."""
    # Its random weights say nothing before training.
    return Leader(PricingNetwork(task.public(), in_numpy(initial())), 0.0, num_envs, seed)


def load(path: Path) -> tuple[PricingNetwork, float]:
    """A network that was trained and kept, and the standard deviation of its noise.

    Nothing in the file is executed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another kind.
    """
    config, tensors = read(path)
    try:
        weights = {name: tensors[name].numpy() for name in initial()}
        network = PricingNetwork(PublicParameters(**config["public"]), weights)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"path must be a leader's file, got {str(path)!r} ({error!r})") from error
    return network, float(np.exp(weights["log_std"]))


def _single(array: np.ndarray | None) -> np.ndarray | None:
    """In single precision."""
    return None if array is None else array.astype(np.float32)
