"""How PPO, recurrent PPO and TPPO are trained, by scenario."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from aigc_market import _checks
from baselines.arena.task import Task


@dataclass(frozen=True)
class Sb3Recipe:
    """Hyperparameters and budget of a training by Stable-Baselines3, under its names."""

    rounds: int
    """In all lanes together."""
    history: int
    """Rounds observed; 1 for the LSTM, which remembers the others."""
    lanes: int
    """Episodes played side by side."""
    n_steps: int
    """Rounds in each lane between updates."""
    batch_size: int
    """Rounds in a minibatch."""
    n_epochs: int
    """Passes over the rounds of an update."""
    learning_rate: float
    """At the start; it falls linearly."""
    least_rate: float
    """Share of the learning rate that is left at the end."""
    log_std_init: float
    """Logarithm of the first standard deviation of prices in [−1, 1]."""
    gamma: float = 0.0
    """Discount. Rational followers do not remember: a price moves its own round's reward alone."""
    width: int = 64
    """Of both hidden layers (ppo), of the LSTM (recurrent_ppo), of a token (tppo)."""
    query_price: bool = True
    """tppo: whether the decoder queries with the last price, the paper's way, or with a learnt
    vector."""

    def __post_init__(self) -> None:
        for name in ("rounds", "history", "lanes", "n_steps", "n_epochs", "width"):
            _checks.integer(name, getattr(self, name), at_least=1)
        _checks.flag("query_price", self.query_price)
        _checks.integer("batch_size", self.batch_size, at_least=2)
        _checks.number("learning_rate", self.learning_rate, above=0)
        for name in ("least_rate", "gamma"):
            if _checks.number(name, getattr(self, name), at_least=0) > 1:
                raise ValueError(f"{name} must be at most 1, got {getattr(self, name)!r}")

    def arguments(self) -> dict[str, Any]:
        """Of PPO."""
        names = ("n_steps", "batch_size", "n_epochs", "gamma")
        return {"learning_rate": self.rate, **{name: getattr(self, name) for name in names}}

    def rate(self, left: float) -> float:
        """The learning rate when this share of the training is left."""
        return self.learning_rate * max(left, self.least_rate)


_STANDING = Sb3Recipe(
    rounds=20_000,
    history=5,
    lanes=20,
    n_steps=20,
    batch_size=200,
    n_epochs=6,
    learning_rate=1e-2,
    least_rate=0.05,
    log_std_init=-1.0,
)
_HIDDEN = Sb3Recipe(
    rounds=1_200_000,
    history=5,
    lanes=128,
    n_steps=25,
    batch_size=800,
    n_epochs=4,
    learning_rate=1e-3,
    least_rate=0.0,
    log_std_init=-1.5,
)
_LONG = replace(_HIDDEN, history=32)
_RECURRENT = replace(_HIDDEN, rounds=600_000, history=1, lanes=64, n_steps=50)
_RECIPES = {
    ("ppo", "standing"): _STANDING,
    ("ppo", "hidden"): _LONG,
    ("ppo", "shift"): _HIDDEN,
    ("ppo", "crowd"): _HIDDEN,
    ("ppo_statistics", "standing"): _STANDING,
    ("ppo_statistics", "hidden"): _HIDDEN,
    ("recurrent_ppo", "standing"): replace(_STANDING, history=1),
    ("recurrent_ppo", "hidden"): _RECURRENT,
    ("recurrent_ppo_statistics", "standing"): replace(_STANDING, history=1),
    ("recurrent_ppo_statistics", "hidden"): _RECURRENT,
    ("tppo", "standing"): replace(_STANDING, width=32),
    ("tppo", "hidden"): replace(_HIDDEN, history=16, rounds=400_000, width=32),
}


def recipe(method: str, task: Task) -> Sb3Recipe:
    """The recipe in use: that of the scenario, of hidden markets, or of one that stands still.

    The last is one for all. Under seeds from 1000 on, which `reproduce` does not use, it earned
    most after training of those tried with at most 800 gradient steps: 29 with PPO, 5 with TPPO.
    """
    if task.stands_still:
        return _RECIPES[method, "standing"]
    scenario = task.as_json()["scenario"]
    return _RECIPES.get((method, scenario), _RECIPES[method, "hidden"])
