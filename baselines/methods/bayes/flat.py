"""A likelihood grid of demand lines: the form of demand is known, and not how lines are drawn.

Demand is a line between the bounds of a purchase, the noise of purchases is in proportion to it,
and all followers of a market would take the same if steps were free (A); or demand is a line of
ln p, and all take as much more when the price falls (τ). All lines of a wide grid are as likely at
first; purchases tell them apart.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from aigc_market import _checks
from baselines.arena.protocol import History, PublicParameters
from baselines.arena.task import Task
from baselines.methods.bayes import rules
from baselines.methods.bayes.families import Family, Quadratic, Saturating
from baselines.methods.bayes.lines import LineFilter, LineGrid, LinesPosterior
from baselines.methods.bayes.pricing import Bayes
from baselines.methods.bayes.purchases import Observation


def flat_grid(public: PublicParameters, sigma: float, family: Family) -> LineGrid:
    """All lines that the bounds allow, as likely."""
    shared, own = family.flat(public)
    prior, kernel = (np.full((size, 1), 1.0 / size) for size in (len(shared), own.shape[1]))
    tables = (table.astype("f4") for table in (*family.line(shared, own), prior, kernel))
    return LineGrid(*tables, sigma=sigma, form=family.form)


class FlatFilter(LineFilter):
    """The likelihood of N markets' lines, in which older rounds count for less.

    Args:
        grid: all lines.
        public: what is known of the markets.
        envs: N.
        discount: in (0, 1], what a round weighs beside the next one.
    """

    def __init__(
        self, grid: LineGrid, public: PublicParameters, envs: int, discount: float
    ) -> None:
        super().__init__(grid, public, envs)
        self._discount = np.float32(discount)

    def observe(
        self, envs: np.ndarray, seen: Observation | None, active: np.ndarray
    ) -> LinesPosterior:
        """As the base, of what older rounds still say."""
        if seen is not None and self._discount < 1:
            self._tables[envs] **= self._discount
            self._market[envs] *= self._discount
        return super().observe(envs, seen, active)


class LikelihoodGrid(Bayes):
    """The price that is best in expectation, a little more and less by turns, so that it learns.

    Args:
        task, num_envs, seed: see `baselines.arena.registry.Entry`.
        sway: ≥ 0, the share of the price by which it is raised and lowered, in the first round.
        fade: ≥ 0; in round t it is `sway`·t^−`fade`.
        discount: in (0, 1], what a round weighs beside the next one.
        sigma: > 0, the noise of purchases as a share of demand, as it is taken to be.
        family: the form of demand.

    Raises:
        TypeError, ValueError: a bad parameter.
    """

    def __init__(
        self,
        task: Task,
        num_envs: int,
        seed: int,
        sway: float = 0.2,
        fade: float = 0.25,
        discount: float = 1.0,
        sigma: float = 0.3,
        family: Family = Quadratic,
    ) -> None:
        self._sway = _checks.number("sway", sway, at_least=0)
        self._fade = _checks.number("fade", fade, at_least=0)
        discount = _checks.number("discount", discount, above=0, at_most=1)
        sigma = _checks.number("sigma", sigma, above=0)
        self._public, self._round = task.public(), 0
        grid = flat_grid(self._public, sigma, family)
        lines = FlatFilter(grid, self._public, num_envs, discount)
        super().__init__(lines, self._public, num_envs, seed, sigma, rules.greedy)

    def act(self, history: History) -> np.ndarray:
        """Prices (N,)."""
        self._round = 1 if history.prices.shape[1] == 0 else self._round + 1
        sway = self._sway * self._round**-self._fade * (-1) ** self._round
        return self._public.clip(super().act(history) * (1.0 + sway))


log_grid = partial(LikelihoodGrid, family=Saturating)
"""The same where demand is a line of ln p."""
