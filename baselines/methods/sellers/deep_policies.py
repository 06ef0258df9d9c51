"""Sellers that have learned by deep RL, B sessions side by side: frozen, and their files."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

import aigc_market
from baselines.arena.protocol import History, Player
from baselines.arena.task import Task
from baselines.methods.sellers.deep_memory import generator
from baselines.methods.sellers.deep_off_policy import SAC, TD3, DiffusionTD3
from baselines.methods.sellers.deep_on_policy import PPO
from baselines.methods.sellers.deep_recipe import DeepRecipe
from baselines.methods.sellers.sellers import price_at
from baselines.runs import policy_files

LEARNERS: dict[str, Any] = {"sac": SAC, "td3": TD3, "diffusion_td3": DiffusionTD3, "ppo": PPO}


def new_learner(recipe: DeepRecipe, seeds: Sequence[int], count: int, M: int) -> Any:
    """Learners at `count` seats of the sessions of these seeds, who see M prices."""
    rngs = [generator(seed, 0) for seed in seeds]
    return LEARNERS[recipe.learner](recipe, rngs, count, M)


@dataclasses.dataclass(frozen=True, eq=False)
class Policies:
    """The sellers of B sessions, who neither learn nor explore."""

    task: Task
    recipe: DeepRecipe
    prices: tuple[float, float]
    """The lowest and the highest of their range."""
    M: int
    """Sellers of a market."""
    seats: tuple[int, ...]
    """Of those that learned, in the order of a session's."""
    learner: Any
    """All that was learned, of the sellers of the first session, of the second, …"""
    seconds: float = 0.0
    """Of this process, that the training took."""

    @property
    def sessions(self) -> int:
        """B."""
        return self.learner.G // len(self.seats)

    def mean(self, seat: int, last: np.ndarray) -> np.ndarray:
        """Greedy prices (B, n) of the seller of each session.

        Args:
            seat: of the seller.
            last: (B, n, M) the last round's prices, in the order of seats.

        Raises:
            ValueError: a seat that did not learn.
        """
        return self._prices(seat, last, None)

    def sample(self, seat: int, last: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As `mean`, explored as in training with numbers of a generator."""
        size = (*np.shape(last)[:2], self.learner.actor.numbers)
        noise = torch.as_tensor(rng.standard_normal(size, np.float32))
        return self._prices(seat, last, noise)

    @torch.no_grad()
    def _prices(self, seat: int, last: np.ndarray, noise: Tensor | None) -> np.ndarray:
        actor = self._actors[self._place(seat)]
        low, high = self.prices
        position = 2.0 * (np.asarray(last, np.float64) - low) / (high - low) - 1.0
        states = np.roll(position.clip(-1.0, 1.0), -seat, axis=-1)  # strangers may leave the range
        seen = torch.as_tensor(states * self.recipe.memory, dtype=torch.float32)
        played = functional_call(self.learner.actor, actor, (seen, noise))
        return price_at(played[..., 0].numpy(), self.prices)

    def _place(self, seat: int) -> int:
        if seat not in self.seats:
            raise ValueError(f"seat must be one of {list(self.seats)}, got {seat}")
        return self.seats.index(seat)

    @cached_property
    def _actors(self) -> list[dict[str, Tensor]]:
        """Weights of all sessions' sellers at each of the seats."""
        kept, count = self.learner.actor.state_dict(), len(self.seats)
        return [
            {name: value[i::count].contiguous() for name, value in kept.items()}
            for i in range(count)
        ]

    def some(
        self, sessions: Sequence[int] | None = None, seats: Sequence[int] | None = None
    ) -> Policies:
        """Those of some sessions, which may be named in any order and twice, and at some seats.

        Raises:
            ValueError: a seat that did not learn.
        """
        count, chosen = len(self.seats), list(self.seats if seats is None else seats)
        places = [self._place(seat) for seat in chosen]
        rows = torch.arange(self.learner.G).view(-1, count)
        rows = rows if sessions is None else rows[list(sessions)]
        rows = rows[:, places].flatten()
        G = self.learner.G

        def taken(value: Tensor) -> Tensor:  # (C·G, …): each seller has C networks of a kind
            return value.view(-1, G, *value.shape[1:])[:, rows].flatten(0, 1)

        learner = new_learner(self.recipe, [0] * (len(rows) // len(chosen)), len(chosen), self.M)
        kept = {name: taken(value) for name, value in self.learner.state_dict().items()}
        learner.load_state_dict(kept)
        return dataclasses.replace(self, seats=tuple(chosen), learner=learner)

    def check(self, task: Task) -> None:
        """Raise ValueError where they cannot play a task: other sellers, or prices out of it."""
        settings = task.settings()
        wanted = f"task must fit policies that learned on {self.task.name!r}"
        M = getattr(settings.market, "M", 1)
        if self.M != M:
            raise ValueError(f"{wanted}: M is {self.M} there, got {M} in {task.name!r}")
        lowest, highest = settings.price_bounds
        low, high = self.prices
        if low < lowest or high > highest:
            raise ValueError(
                f"{wanted}: prices are from {low:g} to {high:g} there, "
                f"got bounds {lowest:g} and {highest:g} in {task.name!r}"
            )

    def player(self, session: int, seat: int) -> Player:
        """A seller of one session as a method: called with the number of games, it gives one."""
        return partial(DeepSeller, self.some([session], [seat]))

    def digest(self) -> str:
        """Twelve hexadecimal digits of all that was learned."""
        weights = self.learner.state_dict().items()
        content = [name.encode() + value.numpy().tobytes() for name, value in weights]
        return hashlib.sha256(b"".join(content)).hexdigest()[:12]

    def save(self, path: Path) -> None:
        """Keep all in one safetensors file, whose `config` names all that it depends on."""
        config = {
            "task": self.task.as_json(),
            "recipe": dataclasses.asdict(self.recipe),
            "prices": self.prices,
            "M": self.M,
            "seats": self.seats,
            "sessions": self.sessions,
            "seconds": self.seconds,
            "version": aigc_market.__version__,
        }
        policy_files.write(path, self.learner.state_dict(), config)


class DeepSeller:
    """A seller in N games, from the first round on as if all had posted mid-range prices before.

    Args:
        policies: of one session and seat.
        num_envs: N.
    """

    def __init__(self, policies: Policies, num_envs: int) -> None:
        self._policies, self._seat = policies, policies.seats[0]
        self._first = np.full((1, num_envs, policies.M), sum(policies.prices) / 2.0)

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        if history.rivals is None:
            raise ValueError("a seller that learned beside rivals must play beside rivals")
        last = self._first
        if history.prices.shape[1]:
            own_first = np.column_stack([history.prices[:, -1], history.rivals[:, -1]])
            last = np.roll(own_first, self._seat, axis=-1)[None]
        return self._policies.mean(self._seat, last)[0]


def load(path: Path) -> Policies:
    """Sellers kept by `Policies.save`. Nothing in the file is executed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is of another kind.
    """
    config, weights = policy_files.read(path)
    try:
        task, recipe = Task.from_json(config["task"]), DeepRecipe(**config["recipe"])
        seats, M = tuple(config["seats"]), config["M"]
        learner = new_learner(recipe, [0] * config["sessions"], len(seats), M)
        learner.load_state_dict(weights)
        low, high = config["prices"]
        return Policies(task, recipe, (low, high), M, seats, learner, config["seconds"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:  # torch's is the last
        raise ValueError(
            f"path must be of sellers that have learned, got {str(path)!r}: {error!r}"
        ) from error
