"""Markets of several providers, a method at each seat: the environment and the rollout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market.competition import Competition
from aigc_market.envs import batch
from aigc_market.envs.competition import CompetitionGame, Settings
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.spaces import constants
from baselines.arena.protocol import History, Insider, Method
from baselines.arena.task import Task


class CompetitionEnv:
    """N games of a competition side by side, in which every provider is played from outside.

    Actions, observations and rewards are those of the environments, in their units
    (`normalize`, `scale_rewards`); VMUs are scripted. All episodes begin and end together.

    Args:
        task: of the game "competition".
        num_envs: N.
        more: keyword arguments of the environments in place of the task's.
    """

    def __init__(self, task: Task, num_envs: int, **more: Any) -> None:
        given = {**task.keywords(), "continuous_actions": True, "judged": False, **more}
        self._game = game = CompetitionGame(Settings.make(**given), scripted=True)
        self.settings, self.num_envs, self.M = game.settings, num_envs, game.M
        self._histories = [batch.History(game.leader, num_envs) for _ in range(self.M)]
        self.reward_scales = game.leader_scales()
        """(M,), from utilities to rewards."""
        self._process: Any = None
        self.rounds = 0
        """Played in the episode."""
        self.oracle: Any = None
        """What insiders are shown of the market in force: Nash and cartel prices (…, M)."""

    @property
    def market(self) -> Competition:
        """In force: a batch, or one market where it is the same in all games."""
        return self._process.market

    @property
    def over(self) -> bool:
        """Whether the episode's last round has been played."""
        return self.rounds >= self.settings.max_cycles

    def reset(self, seed: int | None = None) -> np.ndarray:
        """Begin an episode in every game; None goes on with the stream of the last seed.

        Returns:
            Observations (M, N, …) of the providers.
        """
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self._process = MarketProcess(self.settings, self._rng, None, (self.num_envs,))
        self.oracle, self.rounds = self._process.oracle, 0
        self._take_up(None)
        return self._seen(self._game.before_first(self._terms, self.num_envs))

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Play a round; the market moves on, unless the episode is over.

        Args:
            actions: (N, M).

        Returns:
            Observations (M, N, …) and rewards (N, M).
        """
        game = self._game
        columns = np.asarray(actions, np.float32).T[..., None]
        pairs = zip(game.prices, columns, strict=True)
        prices = np.stack([reader.read_batch(column, self.num_envs) for reader, column in pairs])
        choices = game.scripted(self._terms, prices, self._rng)
        settled = game.settle(self._terms, prices, choices)
        self.rounds += 1
        if self.settings.scenario.moves and not self.over:
            self._process.advance()
            self.oracle = self._process.oracle
            self._take_up(self._terms)
        return self._seen(settled), (game.earned(settled) * self.reward_scales[:, None]).T

    def seen_by(self, seat: int) -> History:
        """The last round as a method at a seat sees it: in physical units, if the game is."""
        market, played = self.market, slice(0 if self.rounds else 1, None)
        prices, demand = (part[seat].T[:, None] for part in self._of_round)
        capacity = None
        if market.capacity is not None:
            capacity = np.broadcast_to(market.capacity[..., seat], (self.num_envs,))
        return History(
            prices=prices[:, played, 0],
            steps=demand[:, played],
            active=np.ones((self.num_envs, market.K), bool),
            capacity=capacity,
            rivals=prices[:, played, 1:],
        )

    def _take_up(self, before: Any) -> None:
        self._game.limit(self.market)
        self._terms = self._game.terms(self.market, before)

    def _seen(self, settled: Any) -> np.ndarray:
        """Observations after a round, or after the costs that stand for those before the first."""
        self.settled, front = settled, self._game.leader_front(self.market)
        self._of_round = self._game.leader_row(settled, None)
        observations = []
        for seat, history in enumerate(self._histories):
            keep = history.add if self.rounds else history.fill
            keep([part[seat] for part in self._of_round])
            values = [part[..., seat, :] for part in front]
            own = constants(self._game.leader.front, values, self.num_envs)
            observations.append(history.seen(own.T, copy=False))
        return np.stack(observations)


@dataclass(frozen=True)
class Rounds:
    """What happened in all games of an episode."""

    prices: np.ndarray
    """(T, N, M)"""
    utility: np.ndarray
    """(T, N, M)"""
    vmu_utility: np.ndarray
    """(T, N, K)"""
    vmu_regret: np.ndarray
    """(T, N, K) what VMUs could have had more at the prices posted; 0 of rational ones."""


Forced = Callable[[int, np.ndarray], np.ndarray]
"""Called with the round and the prices (N, M) chosen; gives those that are posted."""


def play(
    methods: Sequence[Method],
    env: CompetitionEnv,
    seed: int,
    oracle: Callable[[int], Any] | None = None,
    forced: Forced = lambda _, prices: prices,
) -> Rounds:
    """Play an episode in each of N games, with one method at each seat.

    Args:
        methods: one for each provider, made for N games.
        env: in physical units.
        seed: of the markets and of the VMUs' noise; see `baselines.arena.seeds`.
        oracle: of a round, what insiders are shown in place of what the games solve themselves.
        forced: see `Forced`.
    """
    env.reset(seed)
    for method in methods:
        if isinstance(method, Insider):
            method.enter(env)
    rounds = []
    while not env.over:
        if oracle is not None:
            env.oracle = oracle(env.rounds)
        chosen = [method.act(env.seen_by(seat)) for seat, method in enumerate(methods)]
        env.step(forced(env.rounds, np.stack(chosen, axis=-1)))
        settled = env.settled
        parts = settled.prices, settled.asp_utility, settled.vmu_utility(), settled.regret()
        rounds.append([np.array(part.T) for part in parts])
    return Rounds(*(np.stack(values) for values in zip(*rounds, strict=True)))
