"""What is known of each VMU's demand line: running sums of least squares, with forgetting.

Nothing here is learned: the sums are facts about the rounds seen, from which the network reads
lines. They are differentiable, so a price's gradient reaches what later rounds will know because of
it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

SUMS = 5
"""Weighted sums kept: 1, p, S, p², p·S."""

_FIRST_GUESS = (1.8, 0.9, 0.4)
"""A line S = a − b·p and the rounds that it counts for: only weighs the first few rounds."""
_LEAST_PREDICTION = 0.2
_NEAR, _SURELY = 1.8, 2.2
"""Multiples of the floor: expected near it; bought, and surely not raised to it."""
NOISE = 0.3
"""Standard deviation of purchases as a share of what is expected: it scales doubts about lines."""


class Seen(NamedTuple):
    """All that the leader knows after a round, in the network's units; leading axes (B,) or (B, T).

    Purchases scatter in proportion to their size, so each round is weighed by the inverse square of
    what was expected of it.
    """

    price: Tensor
    """(…) of the round."""
    steps: Tensor
    """(…, K) bought in it."""
    present: Tensor
    """(…, K) 1 for the VMUs that took part in it."""
    active: Tensor
    """(…, K) 1 for the VMUs that will answer the next price."""
    age: Tensor
    """(…, K) rounds since the VMU came."""
    visit: Tensor
    """(…, K) rounds that the slot has stood empty: the same for all rounds of one VMU's stay."""
    sums: Tensor
    """(…, K, R, 5) for each of R rates of forgetting."""
    round: Tensor
    """(…) rounds played."""
    left: Tensor
    """(…, R, 2) what VMUs that have left told of their lines' a: precision, and precision · a."""


class Memory:
    """The running sums of a batch of episodes.

    Args:
        active: (B, K) 1 for the VMUs that will answer the first price.
        decays: R factors by which a round's weight falls with every later one.
        price: (B,) what stands in place of the price before the first, the cost.
        least: what a VMU buys at least; purchases at it say little of a line that lies below.
    """

    def __init__(
        self, active: Tensor, decays: tuple[float, ...], price: Tensor, least: float
    ) -> None:
        self._decays = active.new_tensor(decays)[:, None]
        self._least = least
        sums = active.new_zeros(*active.shape, len(decays), SUMS)
        nothing = torch.zeros_like(active)
        left = active.new_zeros(len(active), len(decays), 2)
        self.seen = Seen(
            price, nothing, nothing, active, nothing, nothing, sums, torch.zeros_like(price), left
        )

    def observe(self, price: Tensor, steps: Tensor, active: Tensor) -> Seen:
        """Take in a round.

        Args:
            price: (B,).
            steps: (B, K).
            active: (B, K) 1 for the VMUs that will answer the next price.
        """
        last = self.seen
        present = last.active
        column = price[:, None].expand_as(steps)
        facts = torch.stack(
            [torch.ones_like(steps), column, steps, column * column, column * steps], dim=-1
        )
        weight = self._weight(last.sums, column, steps) * present[..., None]
        sums = (last.sums * self._decays + facts[..., None, :] * weight[..., None]) * present[
            ..., None, None
        ]
        self.seen = Seen(
            price,
            steps,
            present,
            active,
            (last.age + 1) * present,
            last.visit + 1 - present,
            sums,
            last.round + 1,
            last.left * self._decays + self._told(sums, present * (1 - active)),
        )
        return self.seen

    @torch.no_grad()
    def _told(self, sums: Tensor, leaves: Tensor) -> Tensor:
        """What VMUs that leave have told, (B, R, 2)."""
        level, slope, strength = _FIRST_GUESS
        line = ridge_line(sums, level, slope, strength, strength)
        precision = line.told(strength) * leaves[..., None]
        return torch.stack([precision, precision * line.a], dim=-1).sum(1)

    @torch.no_grad()
    def _weight(self, sums: Tensor, price: Tensor, steps: Tensor) -> Tensor:
        """Of a round in each sum, (B, K, R)."""
        level, slope, strength = _FIRST_GUESS
        line = ridge_line(sums, level, slope, strength, strength)
        expected = line.a - line.b * price[..., None]
        # Near the floor purchases are raised to it, which would flatten the line; nothing counts
        # there but what is so large that the line must lie higher.
        near = (expected <= _NEAR * self._least) & (steps[..., None] <= _SURELY * self._least)
        return torch.where(near, 0.0, expected.clamp(min=_LEAST_PREDICTION) ** -2)


class Line(NamedTuple):
    """A line S = a − b·p, and what is not known of it."""

    a: Tensor
    b: Tensor
    variances: tuple[Tensor, Tensor, Tensor]
    """Of a, the covariance, and of b, as multiples of the noise's in a round of weight 1."""
    determinant: Tensor
    """Of the precision: how much is known."""

    def told(self, strength: Tensor | float) -> Tensor:
        """Precision of a beyond its prior's."""
        return (1 / self.variances[0] - strength).clamp(min=0)

    def variance(self, price: Tensor) -> Tensor:
        """Of the line's value at a price, as a multiple of the noise's."""
        of_a, between, of_b = self.variances
        return of_a - 2 * price * between + price * price * of_b


def ridge_line(
    sums: Tensor,
    level: Tensor | float,
    slope: Tensor | float,
    tau_a: Tensor | float,
    tau_b: Tensor | float,
) -> Line:
    """The line S = a − b·p that fits sums (…, 5), pulled towards `level` and `slope`.

    The posterior of Bayesian linear regression with independent priors of precision `tau_a` and
    `tau_b` (in units of a round's weight).
    """
    one, p, s, pp, ps = sums.unbind(-1)
    m_aa, m_bb = one + tau_a, pp + tau_b
    r_a, r_b = s + tau_a * level, tau_b * slope - ps
    determinant = m_aa * m_bb - p * p
    a, b = (m_bb * r_a + p * r_b) / determinant, (m_aa * r_b + p * r_a) / determinant
    return Line(a, b, (m_bb / determinant, p / determinant, m_aa / determinant), determinant)


def spread(sums: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean price, standard deviation of prices and mean purchase behind sums (…, 5)."""
    one, p, s, pp, _ = sums.unbind(-1)
    count = one + 0.1
    mean = p / count
    variance = (pp / count - mean * mean).clamp(min=0.0)
    return mean, (variance + 1e-4).sqrt(), s / count
