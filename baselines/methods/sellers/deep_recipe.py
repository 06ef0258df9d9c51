"""How sellers of continuous prices are trained by deep RL: all that their result depends on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from aigc_market import _checks


@dataclass(frozen=True)
class DeepRecipe:
    """Hyperparameters of every seller of a session; `dataclasses.asdict` gives them as JSON.

    Prices and what is seen of them are positions in [−1, 1] of a range of prices; rewards are −1
    at the Nash equilibrium and 1 at the cartel. All networks have two hidden layers.

    Raises:
        TypeError, ValueError: a number of another kind, or out of its limits; the message names it.
    """

    learner: Literal["sac", "td3", "diffusion_td3", "ppo"] = "sac"
    """`diffusion_td3` is a diffusion policy trained through its critics, without entropy."""
    objective: Literal["average", "discounted"] = "average"
    """The average reward (differential returns), or the discounted sum."""
    gamma: float = 0.95
    """The discount of "discounted"; 0 looks at the round alone. "average" has none."""
    memory: bool = True
    """Whether sellers see the last round's prices, their own first; else they see zeros."""
    prices: Literal["grid", "all"] = "grid"
    """The range of prices: that of Calvano's grid, or all of the environment, [c, p_max]."""
    periods: int = 50_000
    warm_up: int = 512
    """First periods, in which prices are drawn evenly from the range; PPO has none."""
    remember_warm_up: bool = True
    """Whether the replay buffer holds the periods of the warm-up."""
    update_every: int = 1
    """Periods between two updates; of PPO see `n_steps`."""
    batch_size: int = 64
    """Of an update; PPO takes its whole rollout."""
    buffer_size: int = 100_000
    """Periods that a session remembers."""
    actor_width: int = 32
    critic_width: int = 32
    actor_rate: float = 1e-3
    critic_rate: float = 1e-3
    tau: float = 0.005
    """Step of the target networks."""
    critic_value: Literal["mean", "min"] = "mean"
    """Of the two critics: what SAC's target and actor take, and the targets of the TD3s."""
    clip: float | None = None
    """The largest norm of an update's gradient of each seller's actor, and of its critics."""
    average_step: float = 0.01
    """Of ρ, the estimate of the average reward, and of "average" alone."""
    target_entropy: float = -1.0
    """SAC's, of a position."""
    temperature_rate: float = 1e-3
    """Learning rate of SAC's temperature."""
    noise: float = 0.1
    """Standard deviation of TD3's exploration, in positions."""
    denoising_steps: int = 5
    """T, of diffusion_td3's chain."""
    n_steps: int = 128
    """Periods between two updates of PPO."""
    n_epochs: int = 10
    """Of an update of PPO."""
    clip_range: float = 0.2
    gae_lambda: float = 0.95
    log_std_init: float = -0.7
    """PPO's, of a position; it is learned."""

    def __post_init__(self) -> None:
        _checks.choice("learner", self.learner, ("sac", "td3", "diffusion_td3", "ppo"))
        _checks.choice("objective", self.objective, ("average", "discounted"))
        _checks.choice("prices", self.prices, ("grid", "all"))
        _checks.choice("critic_value", self.critic_value, ("mean", "min"))
        _checks.number("gamma", self.gamma, at_least=0, below=1)
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if field.type == "bool":
                _checks.flag(name, value)
            elif field.type == "int":
                _checks.integer(name, value, at_least=0 if name == "warm_up" else 1)
        for name in ("actor_rate", "critic_rate", "temperature_rate", "clip_range"):
            _checks.number(name, getattr(self, name), above=0)
        for name in ("tau", "average_step"):
            _checks.number(name, getattr(self, name), above=0, at_most=1)
        _checks.number("gae_lambda", self.gae_lambda, at_least=0, at_most=1)
        _checks.number("noise", self.noise, at_least=0)
        for name in ("target_entropy", "log_std_init"):
            _checks.number(name, getattr(self, name))
        if self.clip is not None:
            _checks.number("clip", self.clip, above=0)
        if self.batch_size > self.buffer_size:
            raise ValueError(
                f"batch_size must be at most buffer_size = {self.buffer_size}, "
                f"got {self.batch_size}"
            )


SOBER = DeepRecipe()
"""Small networks at usual rates: an update of 40 SAC sellers takes some 4 ms of a core."""

PUBLISHED = DeepRecipe(
    remember_warm_up=False,
    batch_size=128,
    actor_width=1024,
    critic_width=256,
    actor_rate=3e-2,
    critic_rate=3e-3,
    temperature_rate=3e-3,
    tau=0.001,
    clip=10.0,
)
"""SAC with average reward as Frick (arXiv 2604.15825) has it, by the program of the paper,
kmfrick/price_simulator (read, not copied); there the replay buffer is empty when the random periods
end. Not as there: Adam's ε, 1e-8 and not 1e-7, and ρ takes the target critics' values from before
their step."""
