"""N games of either kind side by side on tensors: what `MarketEnv` plays.

A round is settled by the rules (`aigc_market.game`, `aigc_market.competition.game`), and markets
are drawn and move as everywhere (`envs.market_process`). Here it is only said which tensors go in,
and where in them agents find what they see.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from aigc_market import _checks
from aigc_market._arrays import clip
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.rewards import leader_scales
from aigc_market.envs.seats import FOLLOWER, LEADER
from aigc_market.torchrl.draws import Draws

STATE = "state"


class Outcome(NamedTuple):
    """What came of a round, as a game tells `Games`."""

    rewards: dict[str, torch.Tensor]
    """By group, (N, agents)."""
    sold: torch.Tensor
    """(N, …) what stands in a row behind the prices, in the units of observations."""
    settled: Any
    """The settlement."""
    delivered: torch.Tensor | None = None
    """(N, …) what a row ends in, where VMUs see other steps than leaders."""


class Games:
    """N games side by side, whose tensors are (N, …). A subclass says which game.

    Nothing in `play` waits for the device.

    Args:
        settings: of all games.
        num_envs: N.
        draws: of all that is random, on the games' device.
        told: whether rounds are told of by `infos`.
        judged: whether infos compare play with what is best.
    """

    first_prices: ClassVar[str]
    """The reset option that sets them."""

    M: int
    """How many leaders there are."""
    row: Any
    """Where the numbers of a round stand; prices come first."""
    index: dict[str, np.ndarray]
    """Where in the last rounds and the prices in force stands what is seen, (agents, width), by
    group; and, for the state, (1, width), where that is not all of it with the prices first."""
    private_index: dict[str, np.ndarray]
    """Where in `hidden` stands what agents know of themselves, (agents, width), by group."""
    scales: Any
    """Of observations."""
    observed: dict[str, Any]
    """Gymnasium's space of what an agent of a group sees, and of the state."""
    acted: dict[str, Any]
    """Gymnasium's space of an action, by group."""
    readers: list[Any]
    """Of prices, one for each leader."""
    answered: bool = True
    """Whether VMUs are agents: they answer the prices in force, and not those just posted."""

    def __init__(
        self, settings: Any, num_envs: int, draws: Draws, told: bool, judged: bool
    ) -> None:
        self.settings, self.num_envs = settings, num_envs
        self._draws, self._told, self._judged = draws, told, judged
        self._like = draws.random(())
        self._set_up()
        self._index: dict[str, Any] = {}  # known when `hidden` is, as an episode begins
        # What indices mean, of each leader; none where actions are continuous.
        self._grids = [self._tensor(r.grid) for r in self.readers if r.grid is not None]
        self._rounds = self._integers(settings.max_cycles)
        self._process: Any = None  # a MarketProcess from the first reset on
        self._leader_scales: Any = None  # from the first reset on
        self.market: Any = settings.market
        """In force, of tensors; before the first episode the one that the arguments describe."""

    # What a game says.

    def _set_up(self) -> None:
        """Set what is declared above."""
        raise NotImplementedError

    def _take_up(self) -> None:
        """Lay out the market in force, and find what is `hidden` in it."""
        raise NotImplementedError

    def _price_bounds(self) -> tuple[Any, Any]:
        """Cost and p_max in force, numbers or what broadcasts with (N, M)."""
        raise NotImplementedError

    def _settle(self, choices: torch.Tensor | None) -> Outcome:
        """The round in which VMUs choose so (None: they are scripted) at `prices`."""
        raise NotImplementedError

    def _info_shapes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Of the infos by group: the axes that follow (N, agents)."""
        raise NotImplementedError

    def _infos(self, outcome: Outcome) -> dict[str, dict[str, torch.Tensor]]:
        """Of the round by group, (N, agents, …) each."""
        raise NotImplementedError

    hidden: Any
    """(…, H) what stands in a state beside prices and rounds, in the units of observations."""

    # What all games do.

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
        stream, before = self._draws.state(), vars(self).copy()
        try:
            self._begin({} if options is None else options)
        except Exception:
            vars(self).clear()
            vars(self).update(before)
            self._draws.go_back(stream)
            raise

    def _begin(self, options: dict[str, Any]) -> None:
        if self._leader_scales is None:
            self._leader_scales = self._tensor(leader_scales(self.settings))
        options = {  # in memory of their own
            name: value.to(self._like, copy=True) if torch.is_tensor(value) else value
            for name, value in _checks.instance("options", options, Mapping, "a dict").items()
        }
        own = (self.first_prices,) if self.answered else ()
        self._process = MarketProcess(self.settings, self._draws, options, (self.num_envs,), own)
        self.market = self._process.market
        cost = self._ones() * self._price_bounds()[0]
        self.prices = self._first(options) if self.answered else cost
        self._round = torch.zeros_like(self._rounds)
        self._take_up()
        row = cost.new_zeros(self.num_envs, self.row.width)
        row[:, : self.M] = cost * self.scales.price
        if self.active is not None:
            row[:, self.row.active] = self.active.to(row.dtype)
        window = row.repeat(1, self.settings.history)
        self._known = torch.cat([self._of_each(self.hidden), self._in_units(), window], -1)
        if not self._index:
            self._find_index()

    def _find_index(self) -> None:
        """Where in all that is known stands what each sees: hidden, prices in force, rounds."""
        hidden, window = self.hidden.shape[-1], self.settings.history * self.row.width
        for name, index in self.index.items():
            # There the prices in force come last.
            moved = np.where(index < window, index + self.M, index - window) + hidden
            if name in self.private_index:
                moved = np.concatenate([self.private_index[name], moved], -1)
            elif name == STATE:
                moved = np.concatenate([np.arange(hidden)[None], moved], -1)
            # Where it stands side by side it is read in one piece.
            start, flat = int(moved.min()), moved.ravel()
            whole = np.array_equal(flat, start + np.arange(len(flat)))
            piece = slice(start, start + len(flat))
            self._index[name] = piece if whole else self._integers(flat)

    def play(
        self, prices: torch.Tensor, choices: torch.Tensor | None
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor, dict[str, dict[str, torch.Tensor]]]:
        """Settle a round, and post the next prices.

        Args:
            prices: actions (N, M, 1), or (N, M) where they are indices.
            choices: actions of the VMUs; None where they are scripted, who answer at once.

        Returns:
            Rewards by group (N, agents), whether the episode is over (), infos by group; the
            latter may share memory.

        Raises:
            AssertionError: before the first episode.
        """
        assert self._process is not None, "reset() needs to be called before step."
        posted = self._read_prices(prices)
        if not self.answered:
            self.prices = posted
        outcome = self._settle(choices)
        self._round = self._round + 1
        over = self._round >= self._rounds
        infos = self._infos(outcome) if self._told else {}
        if self.settings.scenario.moves:
            before = self.market
            self._process.advance()
            # No round follows the last one: its market stands.
            self.market = _standing(self._process.market, before, over)
            self._take_up()
        row = [self._in_units(), outcome.sold]
        if self.active is not None:
            row.append(self.active.to(self._known.dtype))
        if outcome.delivered is not None:
            row.append(outcome.delivered)
        past = self._known[:, self.hidden.shape[-1] + self.M + self.row.width :]
        self.prices = posted
        hidden = self._of_each(self.hidden)
        self._known = torch.cat([hidden, self._in_units(), past, *row], -1)
        return outcome.rewards, over, infos

    def seen(self) -> dict[str, torch.Tensor]:
        """What leaders see (N, M, …), and what VMUs do (N, K, …) where they are agents."""
        seen = {LEADER: self._pick(LEADER, self.M)}
        if self.answered:
            seen[FOLLOWER] = self._pick(FOLLOWER, self.settings.market.K)
        return seen

    def state(self) -> torch.Tensor:
        """(N, …) all there is: what is hidden, the prices in force, the rounds."""
        return self._pick(STATE, 1)[:, 0] if STATE in self._index else self._known.clone()

    def untold(self) -> dict[str, dict[str, torch.Tensor]]:
        """Infos before the first round: zeros."""
        agents = {LEADER: self.M, FOLLOWER: self.settings.market.K}
        return {
            group: {
                name: torch.zeros(
                    (self.num_envs, agents[group], *shape),
                    dtype=torch.int64 if name == "round" else self._like.dtype,
                    device=self._like.device,
                )
                for name, shape in shapes.items()
            }
            for group, shapes in self._info_shapes().items()
        }

    def detach(self) -> None:
        """Cut the way of gradients to earlier rounds."""
        self.prices, self._known = self.prices.detach(), self._known.detach()

    def _pick(self, name: str, agents: int) -> torch.Tensor:
        """(N, agents, …), fresh memory."""
        index, known = self._index[name], self._known
        if isinstance(index, slice):
            picked = known[:, index].clone(memory_format=torch.contiguous_format)
        else:
            picked = known.index_select(1, index)
        return picked.view(self.num_envs, agents, -1)

    def _of_each(self, value: torch.Tensor) -> torch.Tensor:
        return value.expand(self.num_envs, -1)

    def _in_units(self) -> torch.Tensor:
        """Prices in force in the units of observations."""
        return times(self.prices, self.scales.price)

    def _read_prices(self, actions: torch.Tensor) -> torch.Tensor:
        """(N, M)."""
        low, high = self._price_bounds()
        if not self._grids:
            return self.readers[0].meant(actions[..., 0], low, high)
        columns = zip(self._grids, actions.unbind(-1), strict=True)
        return clip(torch.stack([grid[index] for grid, index in columns], -1), low, high)

    def _first(self, options: Mapping[str, Any]) -> torch.Tensor:
        """(N, M) prices to begin with: those given, or drawn as the parallel environment does."""
        low, high = self._price_bounds()
        if self.first_prices in options:
            return self._given(options[self.first_prices], low, high)
        part = self._draws.random((self.num_envs, self.M))
        if not self._grids:
            return low + part * (high - low)
        columns = zip(self._grids, part.unbind(-1), strict=True)
        drawn = [grid[(p * len(grid)).long().clamp(max=len(grid) - 1)] for grid, p in columns]
        return clip(torch.stack(drawn, -1), low, high)

    def _given(self, value: Any, low: Any, high: Any) -> torch.Tensor:
        name = f"reset option {self.first_prices}"
        prices = self._tensor(_checks.numeric(name, value, above=0))
        if prices.ndim == 1 and self.M == 1 and len(prices) == self.num_envs:
            prices = prices[:, None]
        shapes = ((), (1,), (self.M,), (self.num_envs, 1), (self.num_envs, self.M))
        # In single precision, as prices are everywhere.
        least, given, most = (
            torch.as_tensor(v, dtype=torch.float32, device=prices.device)
            for v in (low, prices, high)
        )
        if tuple(prices.shape) not in shapes or not bool(
            ((given >= least) & (given <= most)).all()
        ):
            raise ValueError(
                f"{name} must be one number, or one for each game and leader, "
                f"({self.num_envs}, {self.M}), within {low} and {high}, got {value!r}"
            )
        return clip(self._ones() * prices, low, high)

    def _ones(self) -> torch.Tensor:
        return self._like.new_ones(self.num_envs, self.M)

    def _tensor(self, value: Any) -> torch.Tensor:
        return torch.as_tensor(value, dtype=self._like.dtype, device=self._like.device)

    def _integers(self, value: Any) -> torch.Tensor:
        return torch.as_tensor(value, dtype=torch.int64, device=self._like.device)


def times(value: torch.Tensor, unit: float) -> torch.Tensor:
    """A product; where it is none, without the time that it would take."""
    return value if unit == 1 else value * unit


def _standing(market: Any, before: Any, stands: torch.Tensor) -> Any:
    """A market, or where it is said that it stands still, the one before: what moves change."""
    changed: dict[str, Any] = {}
    for name in ("satisfaction", "capacity", "active", "access_cost"):
        new: Any = getattr(market, name, None)
        old: Any = getattr(before, name, None)
        if new is not old:
            changed[name] = torch.where(stands, old, new)
    several = isinstance(market.ssim, tuple)
    new, old = (m.ssim[0] if several else m.ssim for m in (market, before))
    if new is not old:
        others = iter(old.parameters)

        def held(value: Any) -> Any:
            other = next(others)
            return torch.where(stands, other, value) if torch.is_tensor(value) else value

        model = new.map(held)
        changed["ssim"] = (model,) * len(market.ssim) if several else model
    return market.replace(**changed)
