"""A Bayes filter of each VMU's demand, whose prior and moves are fitted to purchases.

A VMU whose SSIM is a quadratic buys S = A·(1 − p/q), held within the bounds, where A = β/2α and the
choke price q = βδ (Eq. 11). A is common to the VMUs of a market, and ln q scatters about a level c
that is common to them. Given (A, c) the VMUs are independent: so the filter keeps, for each of
them, how likely its own purchases are by each line (A, q) of a grid, and joins them in a table over
(A, c). That is exact while nothing moves.

Markets move in three ways. The whole market is drawn anew: two hypotheses of when that was last are
kept, each with its own tables. All q are multiplied by e^x together, where x goes on by steps and
comes back to 0: the tables are those of q without x, which has a mean and a variance beside them.
And each q wanders by itself, and a VMU is forgotten a little, which makes good what is left out:
that x and the tables are not independent.

The filter is not told the scenario: how often, how far, the prior, and the scatter of purchases are
parameters. They are fitted to the likelihood of purchases (`fit`); hidden parameters of markets are
never seen.

Where VMUs may decline (min_steps = 0), a purchase of 0 is a point mass: it is made where p ≥ q, and
nowhere else. A point of the grid stands for its cell, of prices q side by side, so the probability
that q lies above a price is a smooth function of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from aigc_market._arrays import namespace
from baselines.arena.protocol import PublicParameters
from baselines.methods.filter.arrays import (
    Array,
    detached,
    erfc,
    flat,
    log_sigmoid,
    logsumexp,
    replaced,
    sigmoid,
    softmax,
    times,
)

_LEAST = -30.0
"""Logarithm of the least likelihood of a purchase: something must always be possible."""
_TINY = 1e-12
"""Added to a probability before its logarithm is taken."""
_APART = 2
"""Cells between the three values of x that stand for its distribution before a purchase."""
_MOST_X = 1.5
"""x is held within ± this."""
_COARSE = 3
"""Cells between the prices at which it is asked what a purchase tells."""
HORIZON = 2.0
"""Rounds in which what a price teaches is of use."""
OWN, MARKET = 5, 5
"""Features of a summary, for each VMU and for the market."""
UNFITTED = {
    "log_spread": -0.7,
    "log_sigma": -1.1,
    "logit_hazard": -4.5,
    "log_step": -4.0,
    "logit_persistence": 4.0,
    "log_wander": -1.0,
    "logit_forgetting": -6.0,
}
"""The parameters that are single numbers, before they are fitted. The other, `log_prior` (A, C), is
then 0: all (A, c) are equally likely. A is the number of intercepts, and 2·C that of choke prices.
"""


class FilterParameters(NamedTuple):
    """The parameters, in the form in which they are used."""

    log_prior: Array
    """(A, C) log-probabilities of (A, c)."""
    spread: Array
    """(C, Q) probabilities of q given c."""
    prior: Array
    """(A·Q,) probabilities of a VMU's (A, q)."""
    sigma: Array
    """() relative standard deviation of purchases."""
    log_hazard: Array
    """(H + 1,) logarithms of the probabilities that a round's market is the old one, under each
    hypothesis, or a new one."""
    step: Array | None
    """() variance of what comes to x in a round; None: x stays 0."""
    persistence: Array
    """() the share of x that stays."""
    wander: Array | None
    """(Q, Q) how q wanders by itself in a round, rows sum to 1; None: it does not."""
    forgetting: Array
    """() the share of a VMU's table that is forgotten in a round."""


class FilterState(NamedTuple):
    """Of the filter of B markets; H hypotheses of when the market was drawn: two, or one where new
    markets are too rare."""

    parameters: FilterParameters
    likely: Array
    """(B, H, K, A, Q) likelihood of a VMU's purchases, 1 on average over the prior."""
    left: Array
    """(B, H, A, C) log-likelihood of (A, c) by VMUs that have left."""
    log_total: Array
    """(B, H) logarithm of the mean, over (A, c), of what all VMUs tell."""
    log_chance: Array
    """(B, H) log-probabilities of the hypotheses."""
    belief: Array
    """(B, K, A, Q) probabilities of the lines, by all VMUs' purchases."""
    x: Array
    """(B,) mean of x in the round to come."""
    variance: Array
    """(B,) of x."""
    surprise: Array
    """(B, K) log-likelihood of the last purchase in a new market, less that expected."""
    change: Array
    """(B,) probability that the last round's market was a new one."""


class Summary(NamedTuple):
    """What a state says of B markets."""

    own: Array
    """(B, K, OWN) features of each VMU."""
    market: Array
    """(B, MARKET) features of the market."""
    best_logit: Array
    """(B,) the price that is best in expectation: logit of its place between cost and max_price."""


class DemandFilter:
    """The filter.

    Args:
        public: the market's public parameters; K plays no part.
        weights: the parameters by name, see `UNFITTED`: arrays of NumPy, or tensors, through which
            gradients flow. The filter computes in their library and precision.
        trials: prices compared.
    """

    def __init__(
        self, public: PublicParameters, weights: Mapping[str, Array], trials: int = 33
    ) -> None:
        self.public, self._trials = public, trials
        self.weights = {name: weights[name] for name in ("log_prior", *UNFITTED)}
        like = weights["log_prior"]
        self._xp = namespace(like)
        intercepts, levels = like.shape
        self._chokes = chokes = 2 * levels
        high = public.max_steps
        # The grid: A from a fifth of max_steps to two and a half times max_steps, q from just above
        # the cost to five times max_price, with room on both sides for x above and below its mean.
        log_a = np.linspace(math.log(0.2 * high), math.log(2.5 * high), intercepts)
        least = math.log(public.cost + 0.01 * (public.max_price - public.cost))
        self._cell = cell = (math.log(5 * public.max_price) - least) / (chokes - 1)
        log_q = least + cell * np.arange(-_APART, chokes + _APART)
        own_q = log_q[_APART:-_APART]
        # Closer together where prices are low: there a unit makes more of a difference.
        shares = np.linspace(0, 1, trials) ** 1.5
        price = public.cost + shares * (public.max_price - public.cost)
        # Expected demand is tabulated in cells too: at prices that x multiplies it is looked up.
        reach = _MOST_X + (_APART + 1) * cell
        first, last = math.log(public.cost) - reach, math.log(public.max_price) + reach
        looked_up = first + cell * np.arange(math.ceil((last - first) / cell) + 1)
        place = (np.log(price) - first) / cell
        a = np.exp(log_a)[:, None]
        demand, buys, _ = self._demand(a, looked_up, own_q)
        bought = (demand * buys[:, None]).reshape(len(looked_up), -1).T
        squared = (demand**2 * buys[:, None]).reshape(len(looked_up), -1).T[:, ::_COARSE]
        # The price at which a VMU pays most, and how fast that falls on both sides of it.
        q = np.exp(own_q)
        own_best = np.maximum((public.cost + q) / 2, q * (1 - high / a)).clip(
            None, public.max_price
        )
        of_a, of_q = np.meshgrid(
            log_a - math.log(0.7 * high), own_q - math.log(public.max_price), indexing="ij"
        )
        moments = np.stack([of_a, of_q, of_a**2, of_q**2, own_best, a / q], -1).reshape(-1, 6)
        parts = bought, squared, bought[:, ::_COARSE] * own_best.reshape(-1, 1), moments
        self._ends = np.cumsum([part.shape[1] for part in parts]).tolist()
        self._a, self._log_q, self._margin, self._place = map(
            self._like, (a, log_q, price - public.cost, place)
        )
        self._squares = self._like((np.arange(chokes)[:, None] - np.arange(chokes)) ** 2)
        self._apart = self._like((own_q - own_q[::2, None]) ** 2)
        self._shifts = self._like(cell * np.array([-_APART, 0.0, _APART]))
        self._most_variance = 0.98 * (_APART * cell) ** 2
        self._expectations = self._like(np.concatenate(parts, axis=1))

    def _like(self, table: np.ndarray) -> Array:
        """A table in the library and the precision of the parameters."""
        return self._xp.asarray(table, dtype=self.weights["log_prior"].dtype, copy=True)

    def begin(self, active: Array) -> FilterState:
        """Before the first round; `active` (B, K) 1 for the VMUs that will answer."""
        xp, weights = self._xp, self.weights
        log_prior = weights["log_prior"]
        log_prior = log_prior - logsumexp(log_prior.reshape(-1))
        width = self._cell**2 + xp.exp(2 * weights["log_spread"])
        spread = softmax(-0.5 * self._apart / width)
        table = xp.exp(log_prior) @ spread
        hazard = weights["logit_hazard"]
        stays, new = log_sigmoid(-hazard), log_sigmoid(hazard)
        step, wander = xp.exp(weights["log_step"]), xp.exp(weights["log_wander"])
        # What is rare or small is left out: new markets, steps of x, and wandering (in cells).
        hypotheses = 2 if new > math.log(1e-4) else 1
        parameters = FilterParameters(
            log_prior,
            spread,
            table.reshape(-1),
            xp.exp(weights["log_sigma"]),
            xp.stack([*[stays] * hypotheses, new]),
            step**2 if step > 0.01 else None,
            sigmoid(weights["logit_persistence"]),
            softmax(-0.5 * self._squares / wander**2) if wander > 0.1 else None,
            sigmoid(weights["logit_forgetting"]),
        )
        B, K = active.shape
        H = hypotheses
        nobody = xp.zeros_like(active)
        zero = nobody[:1, :1]
        chance = xp.concat([zero, zero + _LEAST], axis=1)[:, :H]
        return FilterState(
            parameters,
            xp.broadcast_to(zero[..., None, None, None] + 1, (B, H, K, *table.shape)),
            xp.broadcast_to(zero[..., None, None], (B, H, *log_prior.shape)),
            xp.broadcast_to(zero, (B, H)),
            xp.broadcast_to(chance, (B, H)),
            xp.broadcast_to(table, (B, K, *table.shape)),
            nobody[:, 0],
            nobody[:, 0],
            nobody,
            nobody[:, 0],
        )

    def observe(
        self, state: FilterState, price: Array, steps: Array, present: Array, active: Array
    ) -> tuple[FilterState, Array]:
        """Take in a round.

        Args:
            state: before it.
            price: (B,) posted.
            steps: (B, K) asked for.
            present: (B, K) 1 for the VMUs that answered.
            active: (B, K) 1 for those that will answer the next price.

        Returns:
            The state after it, and the log-likelihood (B,) of what was asked for.
        """
        xp, parameters = self._xp, state.parameters
        prior, spread, forgetting = parameters.prior, parameters.spread, parameters.forgetting
        everybody = bool(present.all()) and bool(active.all())
        likelihood, x, variance, expected, evidence = self._moved(state, price, steps, present)
        of_new = times(flat(likelihood), prior)
        log_new = xp.log(of_new)
        seen = state.likely * likelihood[:, None]
        of_old = times(flat(seen), prior)
        told_old = times(seen, spread.T) / of_old[..., None, None]
        told_new = times(likelihood, spread.T) / of_new[..., None, None]
        log_told_old = xp.log(told_old + _TINY)
        total_old = self._total(parameters, log_told_old.sum(2) + state.left)
        total_new = self._total(parameters, xp.log(told_new + _TINY).sum(1))
        since = state.log_chance + xp.log(of_old).sum(-1) + total_old - state.log_total
        fresh = log_new.sum(-1) + total_new
        logits = xp.concat([since, fresh[:, None]], axis=1) + parameters.log_hazard
        found = logsumexp(logits)
        chance = xp.exp(logits - found[:, None])
        # A new market takes the place of the less likely hypothesis, as far as that is less likely.
        old, new = chance[:, :-1], chance[:, -1:]
        joining = new
        if old.shape[1] > 1:
            first = old[:, :1] <= old[:, 1:]
            joining = new * xp.concat([first, ~first], axis=1)
        joined = old + joining + _TINY
        drawn = joining / joined
        # Averages are 1 over the prior: that is what forgetting goes back to.
        by_old = (1 - forgetting) * (1 - drawn)[..., None] / of_old
        by_new = (1 - forgetting) * drawn[..., None] / of_new[:, None]
        likely = by_old[..., None, None] * seen + by_new[..., None, None] * likelihood[:, None]
        likely = likely + forgetting
        if parameters.wander is not None:
            likely = times(likely, parameters.wander.T)
        told = times(likely, spread.T)
        left = state.left * (1 - drawn)[..., None, None]
        if not everybody:
            stays = active[:, None, :, None, None]
            likely, told = stays * likely + (1 - stays), stays * told + (1 - stays)
            leaves = (present * (1 - active))[:, None, :, None, None]
            left = left + (log_told_old * leaves).sum(2)
        log_told = xp.log(told + _TINY)
        joint = log_told.sum(2) + left
        after = FilterState(
            parameters,
            likely,
            left,
            self._total(parameters, joint),
            xp.log(joined),
            self._belief(parameters, likely, log_told, joint, joined),
            x,
            variance,
            log_new - expected,
            new[:, 0],
        )
        return after, found + evidence

    def summary(self, state: FilterState, active: Array, capacity: Array | None = None) -> Summary:
        """What is known, and the price that is best in expectation.

        Args:
            state: after the last round.
            active: (B, K) 1 for the VMUs that will answer.
            capacity: (B,) all that can be run in the round to come; None: there is no limit.
        """
        xp, x = self._xp, state.x
        expected = times(flat(state.belief), self._expectations)
        i, j, k, _ = self._ends
        bought, squared, with_best = expected[..., :i], expected[..., i:j], expected[..., j:k]
        means, squares = expected[..., k : k + 2], expected[..., k + 2 : k + 4]
        own_best, bend = expected[..., k + 4], expected[..., k + 5]
        spreads = xp.sqrt((squares - means**2).clip(0) + 1e-4)
        shared = x[:, None, None]  # the second mean is that of ln q
        means = means + xp.concat([0 * shared, shared], axis=-1)
        sold = self._sold(state, (bought * active[..., None]).sum(-2))
        scarcity = xp.zeros_like(x)
        if capacity is not None:
            scarcity = sold[:, 0] / (sold[:, 0] + capacity).clip(_TINY)
            sold = xp.minimum(sold, capacity[:, None])
        coarse = bought[..., ::_COARSE]
        with_best = with_best - own_best[..., None] * coarse
        variance = (1 + state.parameters.sigma**2) * squared - coarse**2
        told = self._told(with_best, variance, bend * active)
        worth = self._at_trials(state, told, _COARSE)
        best_logit = self._best_logit(HORIZON * worth + self._margin * sold)
        surprise = (state.surprise.clip(-5, 5) / 5)[..., None]
        there = (active / active.sum(-1)[:, None].clip(1))[..., None]
        of_market = xp.stack([best_logit, state.change, scarcity], axis=-1)
        market = xp.concat([of_market, (spreads * there).sum(-2)], axis=-1)
        return Summary(xp.concat([means, spreads, surprise], axis=-1), market, best_logit)

    def _told(self, covariance: Array, variance: Array, bend: Array) -> Array:
        """What purchases at prices would save in a round, (B, J), VMUs taken one by one.

        A VMU pays A/q·(p − b)² less where the price is not its own best b. Of the variance of b, a
        purchase explains the square of its correlation with b. The market's price is the mean of
        the VMUs' own best ones, weighed by A/q.

        Args:
            covariance: (B, K, J) of b with a VMU's purchase at each price.
            variance: (B, K, J) of the purchase, noise included.
            bend: (B, K) expected A/q, 0 for those who are not there.
        """
        explained = covariance**2 / (variance + 1.0)  # it may be 0 where nobody buys
        saved = (explained * (bend**2)[..., None]).sum(-2)
        return saved / bend.sum(-1)[:, None].clip(_TINY)

    def _moved(
        self, state: FilterState, price: Array, steps: Array, present: Array
    ) -> tuple[Array, Array, Array, Array, Array]:
        """What a round tells of x, the common move of all q.

        Three values of x have its mean and its variance. What another VMU's purchase tells of them
        counts when it is asked what a VMU's own purchase tells of its line.

        Returns:
            The likelihood (B, K, A, Q) of purchases by the lines of the first round; mean and
            variance (B,) of x in the next round; how likely each VMU's purchase was (B, K), as a
            logarithm; and how much likelier all purchases are together than one by one, (B,).
        """
        xp, parameters = self._xp, state.parameters
        # Gradients do not go on through x from round to round: over many they are wild.
        x, log_price = detached(state.x), xp.log(price)
        if parameters.step is None:
            own_q = self._log_q[_APART:-_APART]
            likelihood = self._likelihood(parameters, log_price, steps, own_q)
            likelihood = _of_those(present, likelihood)
            expected = xp.log((state.belief * likelihood).sum((-2, -1)))
            return likelihood, x, state.variance, expected, xp.zeros_like(x)
        wide = self._likelihood(parameters, log_price - x, steps, self._log_q)
        slices = [wide[..., i : i + self._chokes] for i in (0, _APART, 2 * _APART)]
        each = xp.stack([(state.belief * part).sum((-2, -1)) for part in slices], axis=-1)
        log = xp.log(each) * present[..., None]
        outer = state.variance / (2 * self._shifts[2] ** 2)
        prior = xp.log(xp.stack([outer, 1 - 2 * outer, outer], axis=-1).clip(1e-6))
        together = log.sum(1) + prior
        others = together[:, None] - log
        found, of_others = logsumexp(together), logsumexp(others)
        chance = xp.exp(others - of_others[..., None])[..., None, None]  # (B, K, 3, 1, 1)
        likelihood = sum(part * chance[:, :, i] for i, part in enumerate(slices))
        expected = found[:, None] - of_others
        after = xp.exp(together - found[:, None])
        mean = after @ self._shifts
        variance = parameters.persistence**2 * (after @ self._shifts**2 - mean**2)
        variance = (variance + parameters.step).clip(None, self._most_variance)
        x = (parameters.persistence * (x + mean)).clip(-_MOST_X, _MOST_X)
        return _of_those(present, likelihood), x, variance, expected, found - expected.sum(-1)

    def _total(self, parameters: FilterParameters, told: Array) -> Array:
        """Logarithm (…) of the mean over the prior of what is told of (A, c), (…, A, C)."""
        return logsumexp(flat(told + parameters.log_prior))

    def _belief(
        self,
        parameters: FilterParameters,
        likely: Array,
        log_told: Array,
        joint: Array,
        chance: Array,
    ) -> Array:
        """(B, K, A, Q) probabilities of lines by all VMUs' purchases, under either hypothesis."""
        others = (joint + parameters.log_prior)[:, :, None] - log_told
        most = self._xp.max(flat(detached(others)), axis=-1)[..., None, None]
        # Products with others, and the gradients of their logarithms, stay within single precision.
        others = self._xp.exp((others - most).clip(-40.0))
        lines = likely * times(others, parameters.spread)
        share = chance[:, :, None] / lines.sum((-2, -1))
        return (lines * share[..., None, None]).sum(1)

    def _sold(self, state: FilterState, bought: Array) -> Array:
        """Expected demand (B, trials), x included, from that without it at prices (B, J)."""
        outer = (state.variance / (2 * self._shifts[2] ** 2))[:, None]
        inner = (1 - 2 * outer) * bought[:, _APART:-_APART]
        both = bought[:, : -2 * _APART] + bought[:, 2 * _APART :]
        return self._at_trials(state, inner + outer * both, 1, _APART)

    def _at_trials(self, state: FilterState, table: Array, cells: int, first: int = 0) -> Array:
        """A table (B, J) of prices that x multiplies, at the prices (B, trials) that are compared.

        Its prices are `cells` apart, and begin `first` cells after the first that was looked up.
        """
        xp = self._xp
        place = (self._place - (state.x / self._cell)[:, None] - first) / cells
        below = xp.floor(detached(place)).clip(0, table.shape[1] - 2)
        index = xp.astype(below, xp.int64)
        low, high = (xp.take_along_axis(table, index + i, axis=1) for i in (0, 1))
        return low + (place - below) * (high - low)

    def _best_logit(self, utility: Array) -> Array:
        """The best price by its expected utility (B, trials), between two trials by a parabola."""
        xp = self._xp
        best = xp.argmax(utility[:, 1:-1], axis=-1, keepdims=True) + 1
        before, at, behind = (
            xp.take_along_axis(utility, best + i, axis=-1)[:, 0] for i in (-1, 0, 1)
        )
        bend = xp.maximum(2 * at - before - behind, 1e-3 * abs(detached(at)) + _TINY)
        beside = (0.5 * (behind - before) / bend).clip(-1, 1)
        place = xp.astype(best[:, 0], utility.dtype) + beside
        share = (place / (self._trials - 1)).clip(0.001, 0.999) ** 1.5  # logits stay finite
        return xp.log(share) - xp.log1p(-share)

    def _demand(self, a: Array, log_price: Array, log_q: Array) -> tuple[Array, Array, Array]:
        """Demand at prices (B,) by lines (A, 1) by (Q,), and how it varies within a cell.

        Returns:
            Demand of the VMUs that buy (B, A, Q), the probability that one does (B, Q), and the
            demand's relative variance within a cell (B, Q). With a floor everybody buys, and lines
            stand for themselves. Without, those of a cell buy whose q lies above the price, and the
            geometric middle of these q stands for them.
        """
        xp, low, high = namespace(log_q), self.public.min_steps, self.public.max_steps
        above = log_q - log_price[:, None]
        if low > 0:
            share = 1 - xp.exp(-above)
            demand = (a * share[:, None]).clip(low, high)
            return demand, xp.ones_like(share), xp.zeros_like(share)
        buys = (above / self._cell + 0.5).clip(0, 1)
        ratio = xp.exp((self._cell / 2) * (buys - 1) - above)
        share = (1 - ratio).clip(1e-3)  # who buys does not buy nothing: densities stay finite
        # ln q is uniform over the cell's part, and dS/d ln q = A·p/q.
        variance = (buys * ratio / share) ** 2 * (self._cell**2 / 12)
        return (a * share[:, None]).clip(None, high), buys, variance

    def _likelihood(
        self, parameters: FilterParameters, log_price: Array, steps: Array, log_q: Array
    ) -> Array:
        """(B, K, A, q): a normal density about the demand, a probability at the bounds."""
        xp, low, high = self._xp, self.public.min_steps, self.public.max_steps
        demand, buys, variance = self._demand(self._a, log_price, log_q)
        sigma = xp.sqrt(parameters.sigma**2 + variance)[:, None]
        width = demand * sigma
        score = steps[..., None, None] * (1 / width)[:, None] - (1 / sigma)[:, None]
        density = xp.log(high / width)[:, None] - 0.5 * score**2
        likelihood = xp.exp(density.clip(_LEAST))
        at_low, at_high = steps <= low * (1 + 1e-6), steps >= high * (1 - 1e-6)
        at_bound = at_low | at_high if low > 0 else at_high
        if bool(at_bound.any()):
            tail = xp.nonzero(at_bound)
            sign = xp.astype(at_high, steps.dtype)[tail][:, None, None] * 2 - 1
            beyond = 0.5 * erfc(score[tail] * (math.sqrt(0.5) * sign)) + math.exp(_LEAST)
            likelihood = replaced(likelihood, tail, beyond)
        if low > 0:
            return likelihood
        # A purchase of 0 is made by those who do not buy, and any other by those who do.
        buys, declined = buys[:, None, None], xp.astype(at_low, steps.dtype)[..., None, None]
        none = declined * (1 - buys) + math.exp(_LEAST)
        return likelihood * ((1 - declined) * buys) + none


def _of_those(present: Array, likelihood: Array) -> Array:
    """Of the VMUs that answered; of the others any line is as likely, 1."""
    if bool(present.all()):
        return likelihood
    there = present[..., None, None]
    return there * likelihood + (1 - there)
