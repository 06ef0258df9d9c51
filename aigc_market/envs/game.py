"""What shells (turns, simultaneous moves, batches, tensors) ask of a game, whichever it is.

A game states its rows, rewards, infos and judgement twice, each time once: on arrays, in its class,
and on Python floats, in its episodes. There are M leaders, who post prices, and K followers, who
answer them.

Of arrays, the agents of a role stand along the first axis and games side by side along the last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from aigc_market import _checks, followers
from aigc_market._arrays import clip, convert, device, holds, namespace, ndim
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.settings import AGENTS, Settings
from aigc_market.envs.spaces import Viewer

LEADER, FOLLOWER = "asp", "vmu"
"""Roles: an agent's name is its role and its number among those."""

_DRAWS, _SEED = 256, 0
"""Markets over which a law's equilibrium is averaged, and of what seed: the same for everyone."""


class Game:
    """A game with what it was made with.

    What leaders post are prices, unless a game says otherwise by `post`, `bounds`, `before_any`,
    `given` and `given_in_lanes`. A game says beside this, of arrays:

    * `terms(market, before)`: markets laid out for rounds; `before_first(terms, N)`: rounds at
      prices that are costs, in which nothing is sold;
    * `scripted(terms, prices, rng)`, `meant(terms, actions)`: choices of scripted followers, and
      those that tensors of actions mean; `settle(terms, prices, choices)`: the round;
    * `prices_of` (M, …, N), `earned` (M, N) and `paid` (K, N) of a round;
      `follower_scales(market)`: (…, K) factors of what is paid;
    * `leader_row`, `follower_row`, `state_row`: what is seen of a round, and `leader_front`,
      `follower_front`, `state_front(market)`: what stands in front, batch axes first, each a list
      with (agents, count, N) or (…, agents, count) for each field of its `Viewer`;
      `own_first(prices)`: the order in which leaders see prices;
    * `leader_infos`, `follower_infos`: what is told, (agents, …, N) each, and
      `judgement(settled, oracle)`: what of it compares leaders with the best;
    * `record(…)`: a round of one lane, for pictures;

    and `episode_class`: the same of one game, on floats. Of `own_first`, `leader_front`,
    `state_front`, `state_row` and `earned` those of a game of one leader stand here.

    Args:
        settings: its arguments.
        scripted: whether followers have to be scripted, and not agents.

    Raises:
        TypeError, ValueError: followers that are unknown, or agents where they have to be scripted.
    """

    name: ClassVar[str]
    """As PettingZoo's metadata have it."""
    post: ClassVar[str] = "price"
    """What leaders post: the reset option that sets the first ones."""
    settings_class: ClassVar[type[Any]]
    episode_class: ClassVar[type[Any]]
    """See `aigc_market.envs.episode`."""
    scripted_followers: ClassVar[Mapping[str, followers.FollowerPolicy]]
    """By name."""

    M: int
    K: int
    prices: Sequence[Any]
    """Readers of each leader's actions."""
    choices: Any
    """Reader of the followers' actions."""
    leader: Viewer
    """What a leader sees where it posts a price for this round."""
    leader_in_force: Viewer
    """What it sees where the price in force is not its to change: that stands before the rounds."""
    follower: Viewer
    state: Viewer
    follower_front: Any
    leader_row: Any

    def __init__(self, settings: Settings, scripted: bool) -> None:
        self.settings: Any = settings
        self.K = settings.market.K
        self._limited: Any = None  # the market whose bounds hold
        given = settings.followers
        if given is None:
            given = settings.scenario.followers if scripted else AGENTS
        self.policy: followers.FollowerPolicy | None = None
        """Of scripted followers; None: they are agents."""
        if not (isinstance(given, str) and given == AGENTS):
            self.policy = followers.resolve(given, self.scripted_followers, agents=not scripted)
        elif scripted:
            raise ValueError(
                f"followers must be scripted here, one of {list(self.scripted_followers)} or a "
                f"function, got {given!r}"
            )
        if scripted:  # what options may be depends on it
            self.settings = dataclasses.replace(settings, followers=self.policy)

    def make_choice_space(self) -> Any:
        """Of a follower's actions: sampling must be independent from VMU to VMU."""
        return self.choices.make_space()

    def bounds(self, market: Any) -> list[tuple[Any, Any]]:
        """The least and the most that each leader may post in a market, or in a batch."""
        low, high = market.cost, market.max_price
        if "M" not in market.SIZES:
            return [(low, high)]
        return [(low[..., m], high[..., m]) for m in range(self.M)]

    def limit(self, market: Any) -> None:
        """Hold what leaders post within the bounds of an episode's market, or of a batch."""
        if market is self._limited:
            return
        self._limited = market
        for reader, bounds in zip(self.prices, self.bounds(market), strict=True):
            reader.limit(*bounds)

    def before_any(self, market: Any) -> list[Any]:
        """(M) what is posted in the rounds before the first: costs."""
        return np.ravel(market.cost).tolist()

    def given(self, value: Any, market: Any) -> list[Any]:
        """(M) what the reset option `post` has leaders post first.

        Raises:
            TypeError, ValueError: it is none that they may post.
        """
        M, name = self.M, f"reset option {self.post}"
        low, high = (
            np.broadcast_to(np.float32(bound), M) for bound in (market.cost, market.max_price)
        )
        given = np.asarray(_checks.numeric(name, value), np.float32)
        fits = given.shape in ((), (1,), (M,))
        if not fits or not np.all((given >= low) & (given <= high)):
            bounds = {f"[{a:g}, {b:g}]" for a, b in zip(low, high, strict=True)}
            raise ValueError(
                f"{name} must be one number{f' or {M}' if M > 1 else ''} within "
                f"{', '.join(sorted(bounds))}, got {value!r}"
            )
        return np.broadcast_to(given, M).tolist()

    def given_in_lanes(self, value: Any, market: Any, like: Any) -> Any:
        """As `given`, of N games on tensors, (M, N); `like` (N,) is one of them."""
        name, N, M = f"reset option {self.post}", len(like), self.M
        prices, xp = convert(_checks.numeric(name, value, above=0), like), namespace(like)
        prices = xp.asarray(prices, dtype=like.dtype, device=device(like))
        if prices.ndim == 1 and M == 1 and len(prices) == N:
            prices = prices[:, None]
        low, high = (
            bound[..., None] if ndim(bound) and "M" not in market.SIZES else bound
            for bound in (market.cost, market.max_price)
        )
        # In single precision, as prices are everywhere.
        least, given, most = (
            xp.asarray(v, dtype=xp.float32, device=device(like)) for v in (low, prices, high)
        )
        fits = tuple(prices.shape) in ((), (1,), (M,), (N, 1), (N, M))
        if not fits or not holds((given >= least) & (given <= most)):
            raise ValueError(
                f"{name} must be one number, or one for each game and leader, ({N}, {M}), "
                f"within {low} and {high}, got {value!r}"
            )
        every = xp.ones((N, M), dtype=like.dtype, device=device(like))
        return clip(prices * every, low, high).mT

    def own_first(self, prices: Any) -> Any:
        """What is posted, (M, …) or of one leader (…), as each leader sees it: (M, …)."""
        return prices[None]

    def leader_front(self, market: Any) -> list[Any]:
        """What a leader sees in front of the rounds, (…, M, count) of each field: nothing."""
        return []

    def state_front(self, market: Any) -> list[Any]:
        """What a state shows in front of the rounds, (…, count) of each field: what is hidden."""
        front = *self.follower_front(market), *self.leader_front(market)
        return [part[..., 0] for part in front]

    def state_row(self, settled: Any, active: Any) -> list[Any]:
        """What a state shows of a round, (1, count, N) of each field: a lone leader sees it all."""
        return self.leader_row(settled, active)

    def earned(self, settled: Any) -> Any:
        """(M, N) utilities of the leaders."""
        return settled.asp_utility[None]

    def seats(self, seat: int, rivals: Any) -> Rivals:
        """Who is scripted where the leader at a seat is played.

        Raises:
            TypeError, ValueError: no such seat, or unknown rivals.
        """
        return Rivals()

    def leader_scales(self) -> np.ndarray:
        """Factors of the leaders' rewards, constants of the environment: equilibrium play is 1.

        They are of the market that the arguments describe. Where markets are drawn, or move, play
        is worth 1 on average over the law of their first rounds: a factor of the episode's own
        market would tell a learner how near the best its price is.

        Returns:
            (M,). 1 where there is nothing to gain, or no equilibrium, and where rewards are not
            scaled.
        """
        settings = self.settings
        if not settings.scale_rewards:
            return np.ones(self.M)
        if settings.random:
            rng = np.random.default_rng(_SEED)
            utility = MarketProcess(settings, rng, None, (_DRAWS,)).oracle.utility
        else:
            utility = np.asarray(settings.oracle.utility)[None]
        utility = np.reshape(utility, (len(utility), self.M))
        known = np.isfinite(utility)
        total, count = np.where(known, utility, 0.0).sum(axis=0), known.sum(axis=0)
        return reciprocals(total / np.maximum(count, 1))


class Rivals:
    """The leaders beside the one that is played, who are scripted: here there are none."""

    others: Sequence[int] = ()
    """Their numbers, in the order of the seats after the player's."""
    told: bool = False
    """Whether infos tell of their prices, in a game where there may be some."""

    def begin(
        self, process: MarketProcess, rng: np.random.Generator, batch: tuple[int, ...]
    ) -> None:
        """Choose the first prices of an episode."""


def reciprocals(amounts: Any) -> Any:
    """1 / amount; 1 where there is nothing to gain, so that no reward is divided by zero."""
    return 1.0 / namespace(amounts).where(amounts > 0, amounts, 1.0)
