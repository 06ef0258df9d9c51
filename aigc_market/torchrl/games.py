"""N games of any kind side by side on tensors: what `MarketEnv` plays.

What a round is, pays and tells is the game's (`aigc_market.envs.game`), and markets are drawn and
move as everywhere (`envs.market_process`). Here tensors are laid out for it, and put together.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from aigc_market import _checks
from aigc_market.envs.game import FOLLOWER, LEADER, Game
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.spaces import Field, Viewer
from aigc_market.torchrl.draws import Draws

STATE = "state"


class Games:
    """N games side by side, whose tensors are (N, agents, …). Nothing in `play` waits for a device.

    Args:
        game: what is played.
        num_envs: N.
        draws: of all that is random, on the games' device.
        state: whether states are looked at.
        told: whether rounds are told of by infos.

    Raises:
        ValueError: followers that are scripted otherwise than to be rational.
    """

    def __init__(self, game: Game, num_envs: int, draws: Draws, state: bool, told: bool) -> None:
        if game.policy not in (None, game.scripted_followers["best_response"]):
            raise ValueError(
                'followers must be "agents" or "best_response" on tensors, '
                f"got {game.settings.followers!r}"
            )
        self.game: Any = game
        self.settings, self.num_envs = game.settings, num_envs
        self.answered = game.policy is None
        """Whether VMUs are agents: they answer the prices in force, and not those just posted."""
        self._draws, self._told = draws, told
        self._like = draws.random(())
        self.viewers: dict[str, Viewer] = {
            LEADER: game.leader_in_force if self.answered else game.leader
        }
        """Who sees what, by group."""
        if self.answered:
            self.viewers[FOLLOWER] = game.follower
        if state:
            self.viewers[STATE] = game.state
        self._ends = {
            group: np.stack(v.bounds, axis=1).tolist() for group, v in self.viewers.items()
        }
        """Of all that each group sees, the least and the most."""
        for reader in (*game.prices, game.choices):
            reader.bring(self._like)
        scales = [field.scale for field in game.leader.row for _ in range(field.width)]
        scales = scales[: game.M * math.prod(game.prices[0].axes)]
        self._scale = None if set(scales) == {1.0} else self._tensor(scales)[:, None]
        self._rounds = self._like.new_tensor(self.settings.max_cycles, dtype=torch.int64)
        self._process: Any = None  # a MarketProcess from the first reset on
        self._scales: Any = None  # of the leaders' rewards, likewise
        self.market: Any = self.settings.market
        """In force, of tensors; before the first episode the one that the arguments describe."""

    @property
    def active(self) -> torch.Tensor | None:
        """(N, K) who is there to answer; None where nobody comes or goes."""
        return getattr(self.market, "active", None)

    def begin(self, options: dict[str, Any] | None = None) -> None:
        """Begin an episode in every game.

        Args:
            options: as of the parallel environment's `reset`, one for all games or (N, …).

        Raises:
            TypeError, ValueError: an option with a bad value, or one that would leave the spaces.
        """
        stream, other = self._draws.state(), copy.copy(self)
        try:
            other._begin({} if options is None else options)
        except Exception:
            self._draws.go_back(stream)
            raise
        vars(self).update(vars(other))

    def _begin(self, options: dict[str, Any]) -> None:
        game, N = self.game, self.num_envs
        if self._scales is None:
            self._scales = self._tensor(game.leader_scales())
        options = {  # in memory of their own
            name: value.to(self._like, copy=True) if torch.is_tensor(value) else value
            for name, value in _checks.instance("options", options, Mapping, "a dict").items()
        }
        own = (game.post,) if self.answered else ()
        self._process = MarketProcess(self.settings, self._draws, options, (N,), own)
        self.market = self._process.market
        self._take_up()
        self._round = torch.zeros_like(self._rounds)
        nothing = game.before_first(self._terms, N)
        self.posted = game.prices_of(nothing)
        if self.answered:
            self.posted = self._first(options)
        n = self.settings.history
        # In pieces, and games last as they are settled: put together once, when they are looked at.
        # Memory of its own for each: compilers ask what is one and the same.
        self._seen_rounds = {
            group: [[part.clone() for part in self._row(group, nothing)] for _ in range(n)]
            for group in self.viewers
        }

    def _take_up(self) -> None:
        """Lay out the market in force, and what is seen of it."""
        game, market = self.game, self.market
        self._terms, self._bounds = game.terms(market, None), game.bounds(market)
        self._there = None if self.active is None else self.active.mT  # to answer
        self._fronts: dict[str, torch.Tensor] = {
            LEADER: self._front(LEADER, game.leader_front(market), game.M)
        }
        if STATE in self.viewers:
            front = [value[..., None, :] for value in game.state_front(market)]
            self._fronts[STATE] = self._front(STATE, front, 1)
        if self.answered:
            self._fronts[FOLLOWER] = self._front(FOLLOWER, game.follower_front(market), game.K)
            if self.settings.scale_rewards:
                self._follower_scales = self._tensor(game.follower_scales(market))
        self._oracle = self._process.oracle
        if self._told and self.settings.judged:
            self._oracle.in_front(self._like)  # in a reset already where the market stands still

    def _front(self, group: str, values: list[Any], agents: int) -> torch.Tensor:
        """(agents, width, N) what stands in front, without the prices in force."""
        parts, start = [self._like.new_empty((agents, 0, self.num_envs))], 0
        for field, value in zip(self.viewers[group].front, values, strict=False):
            # In single precision a product of what stays within its bounds may lie beyond them.
            part = (self._tensor(value) * field.scale).clamp(*self._ends[group][start])
            parts.append(part.expand(self.num_envs, agents, field.width).movedim(0, -1))
            start += field.width
        return torch.cat(parts, 1)

    def _row(self, group: str, settled: Any) -> list[torch.Tensor]:
        """Of a round (agents, count, N) of each field."""
        if group == LEADER:
            parts = self.game.leader_row(settled, self._there)
        elif group == FOLLOWER:
            parts = self.game.follower_row(settled)
        else:
            parts = self.game.state_row(settled, self._there)
        return [  # in one piece each, for else it takes thrice as long to put them together
            times(self._tensor(part), field).contiguous()
            for part, field in zip(parts, self.viewers[group].row, strict=True)
        ]

    def play(
        self, prices: torch.Tensor, choices: torch.Tensor | None
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor, dict[str, dict[str, torch.Tensor]]]:
        """Settle a round, and post the next prices.

        Args:
            prices: actions (N, M, …), or (N, M) where they are indices of prices.
            choices: actions of the VMUs; None where they are scripted, who answer at once.

        Returns:
            Rewards by group (N, agents), whether the episode is over (), infos by group; the
            latter may share memory.

        Raises:
            AssertionError: before the first episode.
        """
        assert self._process is not None, "reset() needs to be called before step."
        game, terms = self.game, self._terms
        posted = self._each(prices.unbind(1), "posts")
        if not self.answered:
            self.posted = posted
        if choices is None:
            chosen = game.scripted(terms, self.posted, None)
        else:
            chosen = game.meant(terms, choices)
        settled = game.settle(terms, self.posted, chosen)
        self._round = self._round + 1
        over = self._round >= self._rounds
        rewards = {LEADER: game.earned(settled).mT * self._scales}
        if self.answered:
            rewards[FOLLOWER] = game.paid(settled).mT
            if self.settings.scale_rewards:
                rewards[FOLLOWER] = rewards[FOLLOWER] * self._follower_scales
        oracle = self._oracle
        if self.settings.scenario.moves:
            before = self.market
            self._process.advance()
            # No round follows the last one: its market stands.
            self.market = _held(self._process.market, before, over)
            self._take_up()
        infos = self._infos(settled, oracle) if self._told else {}
        self.posted = posted
        for group, rounds in self._seen_rounds.items():
            self._seen_rounds[group] = [*rounds[1:], self._row(group, settled)]
        return rewards, over, infos

    def seen(self) -> dict[str, torch.Tensor]:
        """What each group sees, (N, agents, …), and the state, (N, …), if it is; fresh memory."""
        N, K = self.num_envs, self.game.K
        units = self.posted.reshape(-1, N)
        if self._scale is not None:
            units = units * self._scale
        seen = {}
        for group, rounds in self._seen_rounds.items():
            parts = [self._fronts[group]]
            if group == LEADER and self.answered:
                parts.append(self.game.own_first(units))
            elif group != LEADER:
                parts.append(units.expand(1 if group == STATE else K, *units.shape).contiguous())
            for row in rounds:
                parts += row
            together = torch.cat(parts, 1).movedim(-1, 0)
            seen[group] = together[:, 0] if group == STATE else together
        return seen

    def _infos(self, settled: Any, oracle: Any) -> dict[str, dict[str, torch.Tensor]]:
        """Of the round by group, (N, agents, …) each."""
        game = self.game
        asp = game.leader_infos(self._round, settled, self._there)
        if self.settings.judged:
            asp |= game.judgement(settled, oracle)
        told = {LEADER: (game.M, asp)}
        if self.answered:
            told[FOLLOWER] = game.K, game.follower_infos(settled, self._there)
        return {
            group: {name: self._of_agents(value, agents) for name, value in infos.items()}
            for group, (agents, infos) in told.items()
        }

    def _of_agents(self, value: Any, agents: int) -> torch.Tensor:
        """(agents, …, N), or what is the same for many, as (N, agents, …)."""
        value = torch.as_tensor(value, device=self._like.device)
        if value.ndim < 2:
            return value.expand(agents, self.num_envs).mT
        return value.expand(*value.shape[:-1], self.num_envs).movedim(-1, 0)

    def untold(self) -> dict[str, dict[str, torch.Tensor]]:
        """Infos before the first round: zeros."""
        if self._process is None:  # their shapes are those of an episode that nobody plays
            other = copy.copy(self)
            other.begin()
            return other.untold()
        nothing = self.game.before_first(self._terms, self.num_envs)
        infos = self._infos(nothing, self._oracle)
        return {
            group: {name: torch.zeros_like(value) for name, value in told.items()}
            for group, told in infos.items()
        }

    def detach(self) -> None:
        """Cut the way of gradients to earlier rounds."""
        self.posted = self.posted.detach()
        self._seen_rounds = {
            group: [[part.detach() for part in row] for row in rounds]
            for group, rounds in self._seen_rounds.items()
        }

    def _first(self, options: Mapping[str, Any]) -> torch.Tensor:
        """(M, …, N) to begin with: what is given, or drawn as the parallel environment does."""
        game = self.game
        if game.post in options:
            lanes = self._like.new_zeros(self.num_envs)
            return game.given_in_lanes(options[game.post], self.market, lanes).contiguous()
        shares = self._draws.random((self.num_envs, game.M, *game.prices[0].axes))
        return self._each(shares.unbind(1), "at")

    def _each(self, of_leaders: Sequence[torch.Tensor], what: str) -> torch.Tensor:
        """(M, …, N): what the readers of the leaders make of tensors (N, …)."""
        readers = zip(self.game.prices, of_leaders, self._bounds, strict=True)
        return torch.stack([getattr(reader, what)(part, *ends) for reader, part, ends in readers])

    def _tensor(self, value: Any) -> torch.Tensor:
        return torch.as_tensor(value, dtype=self._like.dtype, device=self._like.device)


def times(value: torch.Tensor, field: Field) -> torch.Tensor:
    """In the units of a field, without the time that a product with 1 would take."""
    return value if field.scale == 1.0 else value * field.scale


def _held(market: Any, before: Any, holds: torch.Tensor) -> Any:
    """The new market, and in those games that hold still the one before."""
    changed: dict[str, Any] = {}
    for name in ("satisfaction", *market.MOVED):
        new, old = getattr(market, name), getattr(before, name)
        if new is not old and torch.is_tensor(new):  # numbers stand, but pickle makes two of one
            changed[name] = torch.where(holds, old, new)
    new, old = market.models[0], before.models[0]
    if new is not old:
        others = iter(old.parameters)

        def held(value: Any) -> Any:
            other = next(others)
            return torch.where(holds, other, value) if torch.is_tensor(value) else value

        model = new.map(held)
        changed["ssim"] = market.map_models(lambda _: model)
    return market.replace(**changed)
