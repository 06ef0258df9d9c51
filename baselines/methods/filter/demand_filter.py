"""What rounds have told about each VMU's demand: a Bayes filter whose law of markets is learned.

A VMU whose SSIM is a quadratic buys S = A·(1 − p/q), held within the bounds, where A = β/2α and the
choke price q = βδ (Eq. 11). The filter keeps the probabilities of (A, q) on a grid for each VMU. It
is told nothing about the scenario: what is likely at first, how fast q wanders, how often
everything is drawn anew, how much A is common to the VMUs, and the scatter of purchases are
parameters. They are learned from the likelihood of purchases, hidden parameters never seen (`fit`),
and from then on by gradients of whatever is built upon the filter.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from baselines.arena.protocol import PublicParameters

_TINY = 1e-30
_LEAST = -50.0
"""Logarithm of the least likelihood of a purchase: something must always be possible."""
_PEAK = math.sqrt(0.5)
_SAME = 1e-5
"""Relative difference of totals that are the same."""
_EDGE = 0.005
"""The guess keeps this share of the prices away from the cost and from p_max."""
OWN, MARKET = 5, 6
"""Features of a reading, for each VMU and for the market."""


class Law(NamedTuple):
    """What is believed about all markets: the parameters, in the form in which they are used."""

    prior: Tensor
    """(A, Q) probabilities."""
    log_intercept: Tensor
    """(A,) logarithm of the prior's of A alone."""
    kernel: Tensor
    """(Q, Q) where q goes in a round; rows sum to 1."""
    sigma: Tensor
    """() scatter of purchases, as a share."""
    hazard: Tensor
    """() logit of the chance that a round's market is a new one."""
    common: Tensor
    """() how much other VMUs' A tell of one's own, from 0 to 1."""
    rationed: Tensor
    """() how far a total larger than all before is thought to be all that could be run."""


class State(NamedTuple):
    """Of the filter of B markets."""

    law: Law
    weight: Tensor
    """(B, K, A, Q) probabilities, by each VMU's own purchases."""
    of_a: Tensor
    """(B, K, A) the same of A alone."""
    left: Tensor
    """(B, A) log-likelihood of A by VMUs that have left."""
    most: Tensor
    """(B,) largest total delivered in a round."""
    sold_out: Tensor
    """(B,) 1 once it came twice: then it is all that can be run."""
    surprise: Tensor
    """(B, K) log-likelihood of the last purchase in a new market, against what was expected."""
    change: Tensor
    """(B,) probability that the last round's market was a new one."""


class Reading(NamedTuple):
    """What a state says; leading axes (B,) or (B, T)."""

    own: Tensor
    """(…, K, OWN)."""
    market: Tensor
    """(…, MARKET)."""
    logit: Tensor
    """(…) the best price below p_max in expectation: logit of its place between cost and p_max."""
    ratio: Tensor
    """(…) ln(expected utility at p_max / at that price)."""


class DemandBelief(nn.Module):
    """The filter.

    Args:
        public: the market's public parameters; K plays no part.
        intercepts: values of A, from a fifth of max_steps to two and a half times max_steps.
        chokes: values of q, from just above the cost to five times p_max.
        trials: prices compared.
    """

    def __init__(
        self, public: PublicParameters, intercepts: int = 24, chokes: int = 48, trials: int = 33
    ) -> None:
        super().__init__()
        self._a: Tensor
        self._slope: Tensor
        self._margin: Tensor
        self._reads: Tensor
        self._steps_apart: Tensor
        self.public = public
        self._trials = trials
        low, high = public.min_steps, public.max_steps
        log_a = torch.linspace(math.log(0.2 * high), math.log(2.5 * high), intercepts)
        least = public.cost + 0.01 * (public.max_price - public.cost)
        log_q = torch.linspace(math.log(least), math.log(5 * public.max_price), chokes)
        # Closer together where prices are low: there a unit makes more of a difference.
        share = torch.linspace(0, 1, trials) ** 1.5
        price = public.cost + share * (public.max_price - public.cost)
        a, q = (axis.flatten() for axis in torch.meshgrid(log_a, log_q, indexing="ij"))
        line = a.exp()[:, None] * (1 - price / q.exp()[:, None])
        centred_a, centred_q = a - math.log(0.7 * high), q - math.log(public.max_price)
        moments = torch.stack([centred_a, centred_a**2, centred_q, centred_q**2], dim=1)
        tables = {
            "_a": log_a.exp()[:, None].expand(-1, chokes),
            "_slope": (log_a[:, None] - log_q).exp(),
            "_margin": price - public.cost,
            "_reads": torch.cat([line.clamp(low, high), (line <= low).float(), moments], dim=1),
            "_steps_apart": (torch.arange(chokes)[:, None] - torch.arange(chokes)).float() ** 2,
        }
        for name, table in tables.items():
            self.register_buffer(name, table.contiguous(), persistent=False)
        start = -0.5 * (centred_a**2 + centred_q**2).reshape(intercepts, chokes)
        self.log_prior = nn.Parameter(start)
        self.log_sigma = nn.Parameter(torch.tensor(-1.0))
        self.logit_hazard = nn.Parameter(torch.tensor(-4.0))
        self.log_wander = nn.Parameter(torch.tensor(-1.0))
        self.logit_common = nn.Parameter(torch.tensor(2.0))
        self.logit_rationed = nn.Parameter(torch.tensor(-4.0))

    def begin(self, active: Tensor) -> State:
        """Before the first round; `active` (B, K) 1 for the VMUs that will answer."""
        prior = self.log_prior.flatten().softmax(0).reshape(self.log_prior.shape)
        kernel = (-0.5 * self._steps_apart / (2 * self.log_wander).exp()).softmax(dim=1)
        law = Law(
            prior,
            prior.sum(1).log(),
            kernel,
            self.log_sigma.exp(),
            self.logit_hazard,
            self.logit_common.sigmoid(),
            self.logit_rationed.sigmoid(),
        )
        nothing = active.new_zeros(len(active))
        weight = prior.expand(*active.shape, *prior.shape)
        left = active.new_zeros(len(active), len(prior))
        of_a = weight.sum(-1)
        none = torch.zeros_like(active)
        return State(law, weight, of_a, left, nothing, nothing, none, nothing)

    def observe(
        self, state: State, price: Tensor, steps: Tensor, present: Tensor, active: Tensor
    ) -> tuple[State, Tensor]:
        """Take in a round.

        Args:
            state: before it.
            price: (B,) posted.
            steps: (B, K) delivered.
            present: (B, K) 1 for the VMUs that answered.
            active: (B, K) 1 for those that will answer the next price.

        Returns:
            The state after it, and the log-likelihood (B,) of what was delivered.
        """
        law, weight = state.law, state.weight
        cut, most, sold_out = self._rationing(state, steps, present)
        likely = self._likelihood(law, price, steps, cut)
        if not present.all():
            likely = torch.where(present[..., None, None] > 0, likely, 1.0)
        of_a = (weight * likely).sum(-1)
        others = self._others(state)
        expected = (of_a * others).sum(-1) / (state.of_a * others).sum(-1)
        new = likely.flatten(-2) @ law.prior.flatten()
        surprise = new.log() - expected.log()
        redrawn = surprise.sum(-1) + law.hazard
        change = redrawn.sigmoid()
        evidence = expected.log().sum(-1) + softplus(redrawn) - softplus(law.hazard)
        stays = (1 - change)[:, None] / of_a.sum(-1)
        weight = torch.addcmul(
            law.prior * (change[:, None] / new)[..., None, None], weight, stays[..., None, None]
        )
        weight = (weight * likely) @ law.kernel
        if not active.all():
            weight = torch.where(active[..., None, None] > 0, weight, law.prior)
        after = State(law, weight, weight.sum(-1), state.left, most, sold_out, surprise, change)
        if not active.all():
            leaves = (present * (1 - active))[..., None]
            left = self._told(law, of_a / of_a.sum(-1, keepdim=True)) * leaves
            after = after._replace(left=state.left * (1 - change)[:, None] + left.sum(1))
        return after, evidence

    def read(self, state: State, active: Tensor) -> Reading:
        """What is known, and the price that is best in expectation; `active` as in `begin`."""
        public = self.public
        others = self._others(state)
        others = others / (state.of_a * others).sum(-1, keepdim=True)
        reads = (state.weight * others[..., None]).flatten(-2) @ self._reads
        demand, floor, moments = reads.split([self._trials, self._trials, 4], dim=-1)
        log_a, log_a2, log_q, log_q2 = moments.unbind(-1)
        spread_a = ((log_a2 - log_a**2).clamp(min=0) + 1e-4).sqrt()
        spread_q = ((log_q2 - log_q**2).clamp(min=0) + 1e-4).sqrt()
        there = active[..., None]
        sold = (demand * there).sum(-2)
        most = torch.where(state.sold_out > 0, state.most, math.inf)[..., None]
        sold = torch.minimum(sold, most)
        count = active.sum(-1)
        all_floor = (floor.clamp(min=1e-6).log() * there).sum(-2).exp()
        # Above the price at which all are on the floor utility rises again, up to p_max: what is
        # earned there does not count for the prices below, so that both can be compared.
        least = (count * public.min_steps)[..., None]
        inner = self._margin * (sold - least * all_floor)
        best = inner[..., 1:-1].argmax(-1, keepdim=True) + 1
        before, at, behind = (inner.gather(-1, best + i) for i in (-1, 0, 1))
        bend = (2 * at - before - behind).clamp(min=1e-3 * at.detach().abs() + _TINY)
        place = (best + (0.5 * (behind - before) / bend).clamp(-0.5, 0.5)) / (self._trials - 1)
        share = place[..., 0].clamp(_EDGE, 1 - _EDGE) ** 1.5
        top = self._margin[-1] * sold[..., -1]
        ratio = (top.clamp(min=_TINY) / at[..., 0].clamp(min=_TINY)).log().clamp(-5, 5)
        own = [log_a, spread_a, log_q, spread_q, state.surprise.clamp(-5, 5) / 5]
        logit = share.logit()
        crowd = count.clamp(min=1)
        market = [
            logit,
            ratio,
            (spread_a * active).sum(-1) / crowd,
            (spread_q * active).sum(-1) / crowd,
            state.change,
            state.sold_out,
        ]
        return Reading(torch.stack(own, -1), torch.stack(market, -1), logit, ratio)

    def _rationing(
        self, state: State, steps: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """How far (B,) the round was cut; the largest total, and whether it is all that can be run.

        Where more is asked for than can be run, all of that is delivered, exactly. So a total that
        comes again is the limit, unless everybody is at a bound.
        """
        with torch.no_grad():
            at_bound = (steps <= self.public.min_steps) | (steps >= self.public.max_steps)
            free = (at_bound | (present == 0)).all(-1)
            total = steps.sum(-1)
            same = ~free & ((total - state.most).abs() <= _SAME * total)
            record = ~free & ~same & (total > state.most)
            sold_out = torch.maximum(state.sold_out, same.float())
            most = torch.where(record, total, state.most)
        return same.float() + record * state.law.rationed, most, sold_out

    def _likelihood(self, law: Law, price: Tensor, steps: Tensor, cut: Tensor) -> Tensor:
        """(B, K, A, Q): a normal density about the demand, a probability at the bounds.

        Of a purchase that was cut all that is known is that no less was asked for.
        """
        low, high = self.public.min_steps, self.public.max_steps
        width = (self._a - self._slope * price[:, None, None]).clamp(low, high) * law.sigma
        score = torch.addcmul(-1 / law.sigma, steps[..., None, None], (1 / width)[:, None])
        density = torch.addcmul((high / width).log()[:, None], score, score, value=-0.5)
        likely = density.clamp(min=_LEAST).exp()
        at_low, at_high = steps <= low * (1 + 1e-6), steps >= high * (1 - 1e-6)
        tail = (at_low | at_high | (cut > 0)[:, None]).nonzero(as_tuple=True)
        if not len(tail[0]):
            return likely
        sign = torch.where(at_low, _PEAK, -_PEAK)[tail][:, None, None]
        beyond = 0.5 * torch.erfc(score[tail] * -sign) + math.exp(_LEAST)
        share = torch.where(at_low | at_high, 1.0, cut[:, None])[tail][:, None, None]
        return likely.index_put(tail, torch.lerp(likely[tail], beyond, share))

    def _told(self, law: Law, of_a: Tensor) -> Tensor:
        """(B, K, A) log-likelihood of A by each VMU's purchases."""
        return (of_a + _TINY).log() - law.log_intercept

    def _others(self, state: State) -> Tensor:
        """(B, K, A) likelihood of A by all others' purchases, up to a factor."""
        told = self._told(state.law, state.of_a)
        log = state.law.common * (state.left[:, None] + told.sum(1, keepdim=True) - told)
        return (log - log.detach().amax(-1, keepdim=True)).exp()
