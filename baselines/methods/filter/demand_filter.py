"""A Bayes filter of each VMU's demand, whose prior and transition are fitted to purchases.

A VMU whose SSIM is a quadratic buys S = A·(1 − p/q), held within the bounds, where A = β/2α and the
choke price q = βδ (Eq. 11). The filter keeps the probabilities of (A, q) on a grid for each VMU. It
is not told the scenario: the prior, how fast q wanders, how often the market is drawn anew, how
much A is common to the VMUs, and the scatter of purchases are parameters. They are fitted to the
likelihood of purchases (`fit`); hidden parameters of markets are never seen.

Where VMUs may decline (min_steps = 0), a purchase of 0 is a point mass: it is made where p ≥ q, and
nowhere else. A point of the grid stands for its cell, of prices q side by side, so the probability
that q lies above a price is a smooth function of it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from baselines.arena.protocol import PublicParameters

_LEAST = -30.0
"""Logarithm of the least likelihood of a purchase: something must always be possible."""
_LEAST_OTHERS = -40.0
"""Logarithm of the least likelihood of A by all others' purchases, against the greatest. Products
of both, and the gradients of their logarithms, stay within single precision."""
_TINY = 1e-12
"""Added to a probability of A before its logarithm is taken."""
_LEAST_SHARE = 1e-3
"""Of A, what a VMU buys at least if it buys: densities stay finite."""
_PEAK = math.sqrt(0.5)
_SAME = 1e-5
"""Relative difference of totals that are the same."""
_EDGE = 0.001
"""The best price is kept away from the cost and from max_price by this share of their distance."""
OWN, MARKET = 5, 5
"""Features of a summary, for each VMU and for the market."""


class FilterParameters(NamedTuple):
    """The parameters, in the form in which they are used."""

    prior: Tensor
    """(A, Q) probabilities."""
    log_intercept: Tensor
    """(A,) logarithm of the prior's marginal of A."""
    kernel: Tensor
    """(Q, Q) transition of q in a round; rows sum to 1."""
    sigma: Tensor
    """() relative standard deviation of purchases."""
    hazard: Tensor
    """() logit of the probability that a round's market is a new one."""
    common: Tensor
    """() weight of the other VMUs' log-likelihood of A in one's own, from 0 to 1."""
    rationed: Tensor
    """() probability that a total larger than all before was rationed."""


class FilterState(NamedTuple):
    """Of the filter of B markets."""

    parameters: FilterParameters
    weight: Tensor
    """(B, K, A, Q) probabilities, by each VMU's own purchases."""
    of_a: Tensor
    """(B, K, A) its marginal of A."""
    left: Tensor
    """(B, A) log-likelihood of A by VMUs that have left."""
    most: Tensor
    """(B,) largest total delivered in a round."""
    sold_out: Tensor
    """(B,) 1 once that total came twice: then it is the capacity."""
    surprise: Tensor
    """(B, K) log-likelihood of the last purchase in a new market, less that expected."""
    change: Tensor
    """(B,) probability that the last round's market was a new one."""


class Summary(NamedTuple):
    """What a state says; leading axes (B,) or (B, T)."""

    own: Tensor
    """(…, K, OWN) features of each VMU."""
    market: Tensor
    """(…, MARKET) features of the market."""
    best_logit: Tensor
    """(…) the price that is best in expectation: logit of its place between cost and max_price."""


class DemandFilter(nn.Module):
    """The filter.

    Args:
        public: the market's public parameters; K plays no part.
        intercepts: values of A, from a fifth of max_steps to two and a half times max_steps.
        chokes: values of q, from just above the cost to five times max_price.
        trials: prices compared.
    """

    def __init__(
        self, public: PublicParameters, intercepts: int = 24, chokes: int = 48, trials: int = 33
    ) -> None:
        super().__init__()
        self._a: Tensor
        self._q: Tensor
        self._margin: Tensor
        self._expectations: Tensor
        self._steps_apart: Tensor
        self.public = public
        self._trials = trials
        high = public.max_steps
        log_a = torch.linspace(math.log(0.2 * high), math.log(2.5 * high), intercepts)
        least = public.cost + 0.01 * (public.max_price - public.cost)
        log_q = torch.linspace(math.log(least), math.log(5 * public.max_price), chokes)
        self._cell = (math.log(5 * public.max_price) - math.log(least)) / (chokes - 1)
        # Closer together where prices are low: there a unit makes more of a difference.
        share = torch.linspace(0, 1, trials) ** 1.5
        price = public.cost + share * (public.max_price - public.cost)
        tables = {
            "_a": log_a.exp()[:, None],
            "_q": log_q.exp(),
            "_margin": price - public.cost,
            "_steps_apart": (torch.arange(chokes)[:, None] - torch.arange(chokes)).float() ** 2,
        }
        for name, table in tables.items():
            self.register_buffer(name, table.contiguous(), persistent=False)
        demand, buys, _ = self._demand(price)
        bought = (demand * buys[:, None]).flatten(1).T
        a, q = (axis.flatten() for axis in torch.meshgrid(log_a, log_q, indexing="ij"))
        centred_a, centred_q = a - math.log(0.7 * high), q - math.log(public.max_price)
        moments = torch.stack([centred_a, centred_a**2, centred_q, centred_q**2], dim=1)
        expectations = torch.cat([bought, moments], dim=1).contiguous()
        self.register_buffer("_expectations", expectations, persistent=False)
        start = -0.5 * (centred_a**2 + centred_q**2).reshape(intercepts, chokes)
        self.log_prior = nn.Parameter(start)
        self.log_sigma = nn.Parameter(torch.tensor(-1.0))
        self.logit_hazard = nn.Parameter(torch.tensor(-4.0))
        self.log_wander = nn.Parameter(torch.tensor(-1.0))
        self.logit_common = nn.Parameter(torch.tensor(2.0))
        self.logit_rationed = nn.Parameter(torch.tensor(-4.0))

    def begin(self, active: Tensor) -> FilterState:
        """Before the first round; `active` (B, K) 1 for the VMUs that will answer."""
        prior = self.log_prior.flatten().softmax(0).reshape(self.log_prior.shape)
        kernel = (-0.5 * self._steps_apart / (2 * self.log_wander).exp()).softmax(dim=1)
        parameters = FilterParameters(
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
        return FilterState(parameters, weight, of_a, left, nothing, nothing, none, nothing)

    def observe(
        self, state: FilterState, price: Tensor, steps: Tensor, present: Tensor, active: Tensor
    ) -> tuple[FilterState, Tensor]:
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
        parameters, weight = state.parameters, state.weight
        rationed, most, sold_out = self._rationing(state, steps, present)
        likelihood = self._likelihood(parameters, price, steps, rationed)
        if not present.all():
            likelihood = torch.where(present[..., None, None] > 0, likelihood, 1.0)
        of_a = (weight * likelihood).sum(-1)
        others = self._others(state)
        expected = (of_a * others).sum(-1) / (state.of_a * others).sum(-1)
        new = likelihood.flatten(-2) @ parameters.prior.flatten()
        surprise = new.log() - expected.log()
        redrawn = surprise.sum(-1) + parameters.hazard
        change = redrawn.sigmoid()
        evidence = expected.log().sum(-1) + softplus(redrawn) - softplus(parameters.hazard)
        stays = (1 - change)[:, None] / of_a.sum(-1)
        weight = torch.addcmul(
            parameters.prior * (change[:, None] / new)[..., None, None],
            weight,
            stays[..., None, None],
        )
        weight = (weight * likelihood) @ parameters.kernel
        if not active.all():
            weight = torch.where(active[..., None, None] > 0, weight, parameters.prior)
        left = state.left
        if not active.all():
            leaves = (present * (1 - active))[..., None]
            of_a = of_a / of_a.sum(-1, keepdim=True)
            of_leavers = self._log_likelihood(parameters, of_a) * leaves
            left = left * (1 - change)[:, None] + of_leavers.sum(1)
        after = FilterState(
            parameters, weight, weight.sum(-1), left, most, sold_out, surprise, change
        )
        return after, evidence

    def summary(self, state: FilterState, active: Tensor) -> Summary:
        """What is known, and the price that is best in expectation; `active` as in `begin`."""
        others = self._others(state)
        others = others / (state.of_a * others).sum(-1, keepdim=True)
        expected = (state.weight * others[..., None]).flatten(-2) @ self._expectations
        demand, moments = expected.split([self._trials, 4], dim=-1)
        log_a, log_a2, log_q, log_q2 = moments.unbind(-1)
        spread_a = ((log_a2 - log_a**2).clamp(min=0) + 1e-4).sqrt()
        spread_q = ((log_q2 - log_q**2).clamp(min=0) + 1e-4).sqrt()
        sold = (demand * active[..., None]).sum(-2)
        most = torch.where(state.sold_out > 0, state.most, math.inf)[..., None]
        best_logit = self._best_logit(self._margin * torch.minimum(sold, most))
        own = [log_a, spread_a, log_q, spread_q, state.surprise.clamp(-5, 5) / 5]
        count = active.sum(-1).clamp(min=1)
        market = [
            best_logit,
            (spread_a * active).sum(-1) / count,
            (spread_q * active).sum(-1) / count,
            state.change,
            state.sold_out,
        ]
        return Summary(torch.stack(own, -1), torch.stack(market, -1), best_logit)

    def _best_logit(self, utility: Tensor) -> Tensor:
        """The best price by its expected utility (…, trials), between two trials by a parabola."""
        best = utility[..., 1:-1].argmax(-1, keepdim=True) + 1
        before, at, behind = (utility.gather(-1, best + i) for i in (-1, 0, 1))
        bend = (2 * at - before - behind).clamp(min=1e-3 * at.detach().abs() + _TINY)
        place = (best + (0.5 * (behind - before) / bend).clamp(-1, 1)) / (self._trials - 1)
        return (place[..., 0].clamp(_EDGE, 1 - _EDGE) ** 1.5).logit()

    def _rationing(
        self, state: FilterState, steps: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Probability (B,) that the round was rationed; the new `most` and `sold_out`.

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
        return same.float() + record * state.parameters.rationed, most, sold_out

    def _demand(self, price: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Demand at prices (B,) by each line of the grid, and how it varies within a cell.

        Returns:
            Demand of the VMUs that buy (B, A, Q), the probability that one does (B, Q), and the
            demand's relative variance within a cell (B, Q). With a floor everybody buys, and lines
            stand for themselves. Without, those of a cell buy whose q lies above the price, and the
            geometric middle of these q stands for them.
        """
        low, high = self.public.min_steps, self.public.max_steps
        price = price[:, None]
        if low > 0:
            share = 1 - price / self._q
            demand = (self._a * share[:, None]).clamp(low, high)
            return demand, torch.ones_like(share), torch.zeros_like(share)
        buys = ((self._q / price).log() / self._cell + 0.5).clamp(0, 1)
        ratio = price / self._q * (self._cell / 2 * (buys - 1)).exp()
        share = (1 - ratio).clamp(min=_LEAST_SHARE)
        # ln q is uniform over the cell's part, and dS/d ln q = A·p/q.
        variance = (self._cell * buys * ratio / share).square() / 12
        return (self._a * share[:, None]).clamp(max=high), buys, variance

    def _likelihood(
        self, parameters: FilterParameters, price: Tensor, steps: Tensor, rationed: Tensor
    ) -> Tensor:
        """(B, K, A, Q): a normal density about the demand, a probability at the bounds.

        Of a purchase that was rationed all that is known is that no less was asked for.
        """
        low, high = self.public.min_steps, self.public.max_steps
        demand, buys, variance = self._demand(price)
        sigma = (parameters.sigma.square() + variance).sqrt()[:, None]
        width = demand * sigma
        score = torch.addcmul((-1 / sigma)[:, None], steps[..., None, None], (1 / width)[:, None])
        density = torch.addcmul((high / width).log()[:, None], score, score, value=-0.5)
        likelihood = density.clamp(min=_LEAST).exp()
        at_low, at_high = steps <= low * (1 + 1e-6), steps >= high * (1 - 1e-6)
        at_bound = at_low | at_high if low > 0 else at_high
        tail = (at_bound | (rationed > 0)[:, None]).nonzero(as_tuple=True)
        if len(tail[0]):
            sign = torch.where(at_low, _PEAK, -_PEAK)[tail][:, None, None]
            beyond = 0.5 * torch.erfc(score[tail] * -sign) + math.exp(_LEAST)
            share = torch.where(at_bound, 1.0, rationed[:, None])[tail][:, None, None]
            likelihood = likelihood.index_put(tail, torch.lerp(likelihood[tail], beyond, share))
        if low > 0:
            return likelihood
        buys = buys[:, None, None]
        declined = at_low[..., None, None]
        return torch.where(declined, 1 - buys, likelihood * buys) + math.exp(_LEAST)

    def _log_likelihood(self, parameters: FilterParameters, of_a: Tensor) -> Tensor:
        """(B, K, A) of A by each VMU's purchases."""
        return (of_a + _TINY).log() - parameters.log_intercept

    def _others(self, state: FilterState) -> Tensor:
        """(B, K, A) likelihood of A by all others' purchases, up to a factor."""
        own = self._log_likelihood(state.parameters, state.of_a)
        others = state.left[:, None] + own.sum(1, keepdim=True) - own
        log = state.parameters.common * others
        return (log - log.detach().amax(-1, keepdim=True)).clamp(min=_LEAST_OTHERS).exp()
