"""A menu as people read it: its contracts in rows, with those who take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from aigc_market.rendering.numbers import count, percent, steps
from aigc_market.rendering.rounds import MenuRound

_APART = 12
"""So many VMUs at most are told one by one."""
_LISTED = 8
"""So many rows at most, and one for those who take none."""


class Contract(NamedTuple):
    """One that is for sale."""

    number: int
    """From 1 on."""
    takers: list[int]
    """The VMUs that take it."""
    steps: float
    fee: float
    quality: float | None = None
    """None where it is not known."""


class Menu(NamedTuple):
    """All that are for sale, a row of no steps for no fee left out if nobody takes it."""

    contracts: list[Contract]
    left: list[int]
    """The VMUs that take none."""

    @property
    def listed(self) -> list[Contract]:
        """As many as there is room for; of more those that most VMUs take, in order."""
        if len(self.contracts) <= _LISTED:
            return self.contracts
        return sorted(sorted(self.contracts, key=lambda each: -len(each.takers))[: _LISTED - 1])

    def rows(self, last: MenuRound, write: Callable[[float], str]) -> list[list[str]]:
        """A head, a row of each contract that is listed, one of all others, one of none of them.

        Args:
            last: the round.
            write: how fees are written.
        """
        listed, K = self.listed, len(last.taken)
        rows = [["", "steps", "fee", "quality", "taken by VMU" if K <= _APART else "taken by"]]
        rows += [
            [
                str(each.number),
                steps(each.steps, last.max_steps),
                write(each.fee),
                "" if each.quality is None else percent(each.quality, 0),
                _who(each.takers, K),
            ]
            for each in listed
        ]
        if more := len(self.contracts) - len(listed):
            others = [k for each in self.contracts if each not in listed for k in each.takers]
            rows.append([f"{more:,} more", "", "", "", _who(others, K)])
        return [*rows, ["none", "", "", "", _who(self.left, K)]]


def posted(last: MenuRound) -> Menu:
    """What the leader offered."""
    return _menu(last.taken, last.steps, last.fees, last.quality)


def best(last: MenuRound) -> Menu:
    """What would have earned the most; equal rows of it are one contract, and numbers its own."""
    every, left = _menu(last.best_taken, last.best_steps, last.best_fees)
    apart: list[Contract] = []
    for each in every:
        if apart and np.allclose(each[2:4], apart[-1][2:4], rtol=1e-6, atol=0.0):
            apart[-1].takers.extend(each.takers)
        else:
            apart.append(each._replace(number=len(apart) + 1))
    return Menu(apart, left)


def _menu(taken: Sequence[int], *columns: Sequence[float]) -> Menu:
    takers: list[list[int]] = [[] for _ in range(len(columns[0]) + 1)]
    for k, number in enumerate(taken):
        takers[number].append(k)
    rows = zip(range(1, len(takers)), takers[1:], *columns, strict=True)
    every = [Contract(*row) for row in rows]
    return Menu([each for each in every if each.steps or each.fee or each.takers], takers[0])


def _who(takers: Sequence[int], K: int) -> str:
    """By their numbers, neighbours as a range; how many, where there are too many for that."""
    if K > _APART:
        return count(len(takers), "VMU")
    apart = groupby(enumerate(sorted(takers)), lambda pair: pair[1] - pair[0])
    runs = [[k for _, k in run] for _, run in apart]
    return " ".join(f"{r[0]}–{r[-1]}" if r[1:] else f"{r[0]}" for r in runs) or "–"
