"""How sellers are trained: one recipe for all methods, the same effort for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aigc_market import _checks

LEVELS = 15
"""Prices of the learners that choose from a grid, as in Calvano et al. (2020)."""


@dataclass(frozen=True)
class SellerRecipe:
    """How the sellers of a market are trained: the first that was tried, for every method.

    The learning rate of the table is that of Calvano et al. (2020), the rest of the table's is
    fitted to the budget: ε = e^{−decay · t/rounds} falls to 3e-4.
    """

    rounds: int = 100_000
    """Of each learner, in all its environments together."""
    prices: Literal["grid", "all"] = "grid"
    """The range that all choose from: that of Calvano's grid, a little wider than from the Nash
    price to the cartel's; or all prices of the environment, [c, p_max]."""
    max_cycles: int = 500
    """Rounds of an episode in training; learners take its end for a cut, not for an end."""
    table_envs: int = 8
    """Environments side by side of q_learning."""
    num_envs: int = 32
    """Environments side by side of the other learners."""
    table_rate: float = 0.15
    table_decay: float = 8.0
    n_steps: int = 32
    """Rounds in each environment between updates of PPO and TPPO."""
    batch_size: int = 256
    n_epochs: int = 5
    learning_rate: float = 1e-3
    """Of all networks; PPO's and TPPO's falls linearly to a twentieth."""
    log_std_init: float = -1.0
    mlp_width: int = 64
    transformer_width: int = 32
    buffer_size: int = 50_000
    """Rounds that DQN remembers."""
    target_interval: int = 2_000
    """Rounds between two copies of DQN's network."""
    exploration_fraction: float = 0.5
    """Share of the rounds in which DQN's ε falls linearly from 1 to `exploration_least`."""
    exploration_least: float = 0.02
    vmu_steps: int = 8
    """Rounds between two updates of the VMUs, where they learn: four times as often as sellers."""
    vmu_learning_rate: float = 3e-3

    def __post_init__(self) -> None:
        _checks.choice("prices", self.prices, ("grid", "all"))
        for name, value in vars(self).items():
            if isinstance(value, int):
                _checks.integer(name, value, at_least=1)
            elif isinstance(value, float) and name != "log_std_init":
                _checks.number(name, value, above=0)
