"""How sellers are trained: one recipe a method, the same effort for all."""

from __future__ import annotations

from dataclasses import dataclass

from aigc_market import _checks

LEARNED = ("q_learning", "dqn", "ppo", "tppo")
VARIANTS = ("", "_myopic", "_shared", "_vmus")
"""As a learner on its own; with discount 0; one policy for all seats; with VMUs that learn too."""


@dataclass(frozen=True)
class SellerRecipe:
    """How the sellers of a market are trained: the first that was tried, for every method.

    The discount and the learning rate of the table are those of Calvano et al. (2020), the rest of
    the table's is fitted to the budget: ε = e^{−decay · t/rounds} falls to 3e-4.
    """

    rounds: int = 100_000
    """Of each learner, in all lanes together."""
    gamma: float = 0.95
    max_cycles: int = 500
    """Rounds of an episode in training; learners take its end for a cut, not for an end."""
    table_lanes: int = 8
    """Markets side by side of q_learning."""
    lanes: int = 32
    """Markets side by side of the other learners."""
    table_rate: float = 0.15
    table_decay: float = 8.0
    n_steps: int = 32
    """Rounds in each lane between updates of PPO and TPPO."""
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
        for name, value in vars(self).items():
            if isinstance(value, int):
                _checks.integer(name, value, at_least=1)
            elif name == "gamma":
                _checks.number(name, value, at_least=0, below=1)
            elif name != "log_std_init":
                _checks.number(name, value, above=0)


def parts(method: str) -> tuple[str, str]:
    """A learned method's name as that of its learner and of the variant.

    Raises:
        ValueError: no such method.
    """
    for variant in VARIANTS[::-1]:
        base = method.removesuffix(variant)
        if method.endswith(variant) and base in LEARNED:
            return base, variant
    names = [name + variant for name in LEARNED for variant in VARIANTS]
    raise ValueError(f"method must be one of {names}, got {method!r}")
