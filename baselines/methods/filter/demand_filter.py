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
from typing import NamedTuple

import torch
from torch import Tensor, nn

from baselines.arena.protocol import PublicParameters

_LEAST = -30.0
"""Logarithm of the least likelihood of a purchase: something must always be possible."""
_LEAST_OTHERS = -40.0
"""Logarithm of the least likelihood of (A, c) by all others' purchases, against the greatest.
Products of both, and the gradients of their logarithms, stay within single precision."""
_TINY = 1e-12
"""Added to a probability before its logarithm is taken."""
_LEAST_SHARE = 1e-3
"""Of A, what a VMU buys at least if it buys: densities stay finite."""
_PEAK = math.sqrt(0.5)
_EDGE = 0.001
"""The best price is kept away from the cost and from max_price by this share of their distance."""
_APART = 2
"""Cells between the three values of x that stand for its distribution before a purchase."""
_LEAST_HAZARD = 1e-4
"""Probability of a new market below which one hypothesis is enough."""
_LEAST_STEP = 0.01
"""Standard deviation of the steps of x below which it stays 0."""
_LEAST_WANDER = 0.1
"""Standard deviation, in cells, of a round's wandering below which q stands still."""
_MOST_X = 1.5
"""x is held within ± this."""
_COARSE = 3
"""Cells between the prices at which it is asked what a purchase tells."""
HORIZON = 2.0
"""Rounds in which what a price teaches is of use."""
OWN, MARKET = 5, 5
"""Features of a summary, for each VMU and for the market."""


class FilterParameters(NamedTuple):
    """The parameters, in the form in which they are used."""

    log_prior: Tensor
    """(A, C) log-probabilities of (A, c)."""
    spread: Tensor
    """(C, Q) probabilities of q given c."""
    prior: Tensor
    """(A·Q,) probabilities of a VMU's (A, q)."""
    sigma: Tensor
    """() relative standard deviation of purchases."""
    log_hazard: Tensor
    """(H + 1,) logarithms of the probabilities that a round's market is the old one, under each
    hypothesis, or a new one."""
    step: Tensor | None
    """() variance of what comes to x in a round; None: x stays 0."""
    persistence: Tensor
    """() the share of x that stays."""
    wander: Tensor | None
    """(Q, Q) how q wanders by itself in a round, rows sum to 1; None: it does not."""
    forgetting: Tensor
    """() the share of a VMU's table that is forgotten in a round."""


class FilterState(NamedTuple):
    """Of the filter of B markets; H hypotheses of when the market was drawn: two, or one where new
    markets are too rare."""

    parameters: FilterParameters
    likely: Tensor
    """(B, H, K, A, Q) likelihood of a VMU's purchases, 1 on average over the prior."""
    log_told: Tensor
    """(B, H, K, A, C) logarithm of its mean given (A, c)."""
    left: Tensor
    """(B, H, A, C) log-likelihood of (A, c) by VMUs that have left."""
    log_total: Tensor
    """(B, H) logarithm of the mean, over (A, c), of what all VMUs tell."""
    log_chance: Tensor
    """(B, H) log-probabilities of the hypotheses."""
    belief: Tensor
    """(B, K, A, Q) probabilities of the lines, by all VMUs' purchases."""
    x: Tensor
    """(B,) mean of x in the round to come."""
    variance: Tensor
    """(B,) of x."""
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
        self._log_q: Tensor
        self._margin: Tensor
        self._place: Tensor
        self._weights: Tensor
        self._coarse_weights: Tensor
        self._expectations: Tensor
        self._squares: Tensor
        self._apart: Tensor
        self._shifts: Tensor
        self.public = public
        self._trials, self._chokes = trials, chokes
        high = public.max_steps
        log_a = torch.linspace(math.log(0.2 * high), math.log(2.5 * high), intercepts)
        least = math.log(public.cost + 0.01 * (public.max_price - public.cost))
        self._cell = cell = (math.log(5 * public.max_price) - least) / (chokes - 1)
        # Room on both sides for x above and below its mean.
        log_q = least + cell * torch.arange(-_APART, chokes + _APART)
        own_q, levels = log_q[_APART:-_APART], log_q[_APART:-_APART:2]
        # Closer together where prices are low: there a unit makes more of a difference.
        price = public.cost + torch.linspace(0, 1, trials) ** 1.5 * (public.max_price - public.cost)
        # Expected demand is tabulated in cells too: at prices that x multiplies it is looked up.
        reach = _MOST_X + (_APART + 1) * cell
        first, last = math.log(public.cost) - reach, math.log(public.max_price) + reach
        looked_up = first + cell * torch.arange(math.ceil((last - first) / cell) + 1)
        centred_a, centred_q = log_a - math.log(0.7 * high), own_q - math.log(public.max_price)
        tables = {
            "_a": log_a.exp()[:, None],
            "_log_q": log_q,
            "_margin": price - public.cost,
            "_place": (price.log() - first) / cell,
            "_squares": (torch.arange(chokes)[:, None] - torch.arange(chokes)).float() ** 2,
            "_apart": (own_q - levels[:, None]) ** 2,
            "_shifts": cell * torch.tensor([-_APART, 0.0, _APART]),
        }
        for name, table in tables.items():
            self.register_buffer(name, table.contiguous(), persistent=False)
        demand, buys, _ = self._demand(looked_up, own_q)
        bought = (demand * buys[:, None]).flatten(1).T
        squared = (demand**2 * buys[:, None]).flatten(1).T[:, ::_COARSE]
        # The price at which a VMU pays most, and how fast that falls on both sides of it.
        a, q = log_a.exp()[:, None], own_q.exp()
        own_best = torch.maximum((public.cost + q) / 2, q * (1 - high / a))
        own_best = own_best.clamp(max=public.max_price).flatten()
        of_a, of_q = (
            axis.flatten() for axis in torch.meshgrid(centred_a, centred_q, indexing="ij")
        )
        moments = [of_a, of_q, of_a**2, of_q**2, own_best, (a / q).flatten()]
        parts = [bought, squared, bought[:, ::_COARSE] * own_best[:, None], torch.stack(moments, 1)]
        self._sizes = [part.shape[1] for part in parts]
        expectations = torch.cat(parts, dim=1).contiguous()
        self.register_buffer("_expectations", expectations, persistent=False)
        for name, cells in (("_weights", 1), ("_coarse_weights", _COARSE)):
            index = torch.arange(bought[:, ::cells].shape[1])[:, None]
            hat = (1 - (index - self._place / cells).abs()).clamp(min=0)
            self.register_buffer(name, hat, persistent=False)
        self.log_prior = nn.Parameter(torch.zeros(intercepts, len(levels)))
        self.log_spread = nn.Parameter(torch.tensor(-0.7))
        self.log_sigma = nn.Parameter(torch.tensor(-1.1))
        self.logit_hazard = nn.Parameter(torch.tensor(-4.5))
        self.log_step = nn.Parameter(torch.tensor(-4.0))
        self.logit_persistence = nn.Parameter(torch.tensor(4.0))
        self.log_wander = nn.Parameter(torch.tensor(-1.0))
        self.logit_forgetting = nn.Parameter(torch.tensor(-6.0))

    def begin(self, active: Tensor) -> FilterState:
        """Before the first round; `active` (B, K) 1 for the VMUs that will answer."""
        log_prior = self.log_prior.flatten().log_softmax(0).reshape(self.log_prior.shape)
        width = self._cell**2 + (2 * self.log_spread).exp()
        spread = (-0.5 * self._apart / width).softmax(dim=1)
        table = log_prior.exp() @ spread
        stays, new = nn.functional.logsigmoid(torch.stack([-self.logit_hazard, self.logit_hazard]))
        step, wander = self.log_step.exp(), self.log_wander.exp()
        wanders = (-0.5 * self._squares / wander.square()).softmax(dim=1)
        hypotheses = 2 if new.item() > math.log(_LEAST_HAZARD) else 1
        parameters = FilterParameters(
            log_prior,
            spread,
            table.flatten(),
            self.log_sigma.exp(),
            torch.stack([*[stays] * hypotheses, new]),
            step**2 if step.item() > _LEAST_STEP else None,
            self.logit_persistence.sigmoid(),
            wanders if wander.item() > _LEAST_WANDER else None,
            self.logit_forgetting.sigmoid(),
        )
        B, K = active.shape
        nothing = active.new_zeros(B)
        chance = active.new_tensor([0.0, _LEAST])[:hypotheses]
        return FilterState(
            parameters,
            active.new_ones(1, 1, 1, 1, 1).expand(B, hypotheses, K, *table.shape),
            active.new_zeros(1, 1, 1, 1, 1).expand(B, hypotheses, K, *log_prior.shape),
            active.new_zeros(1, 1, 1, 1).expand(B, hypotheses, *log_prior.shape),
            active.new_zeros(B, hypotheses),
            chance.expand(B, hypotheses),
            table.expand(B, K, *table.shape),
            nothing,
            nothing,
            torch.zeros_like(active),
            nothing,
        )

    def observe(
        self, state: FilterState, price: Tensor, steps: Tensor, present: Tensor, active: Tensor
    ) -> tuple[FilterState, Tensor]:
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
        parameters = state.parameters
        everybody = bool(present.all()) and bool(active.all())
        likelihood, x, variance, surprise, evidence = self._moved(state, price, steps, present)
        flat = likelihood.flatten(-2)
        of_new = flat @ parameters.prior
        log_new = of_new.log()
        surprise = log_new - surprise
        seen = state.likely * likelihood[:, None]
        of_old = seen.flatten(-2) @ parameters.prior
        told_old = seen @ parameters.spread.T / of_old[..., None, None]
        told_new = likelihood @ parameters.spread.T / of_new[..., None, None]
        total_old = self._total(parameters, (told_old + _TINY).log().sum(2) + state.left)
        total_new = self._total(parameters, (told_new + _TINY).log().sum(1))
        since = state.log_chance + of_old.log().sum(-1) + total_old - state.log_total
        fresh = log_new.sum(-1) + total_new
        logits = torch.cat([since, fresh[:, None]], dim=1) + parameters.log_hazard
        found = logits.logsumexp(1)
        chance = (logits - found[:, None]).exp()
        # A new market takes the place of the less likely hypothesis, as far as that is less likely.
        old, new = chance[:, :-1], chance[:, -1:]
        joining = new
        if old.shape[1] > 1:
            joining = new * nn.functional.one_hot(old.argmin(1), old.shape[1])
        joined = old + joining + _TINY
        drawn = joining / joined
        kept = (1 - parameters.forgetting) * torch.stack([1 - drawn, drawn])[..., None]
        # Averages are 1 over the prior: that is what forgetting goes back to.
        by_old, by_new = kept[0] / of_old, kept[1] / of_new[:, None]
        likely = torch.addcmul(
            parameters.forgetting + by_old[..., None, None] * seen,
            by_new[..., None, None],
            likelihood[:, None],
        )
        if parameters.wander is None:
            told = parameters.forgetting + kept[0][..., None, None] * told_old
            told = torch.addcmul(told, kept[1][..., None, None], told_new[:, None])
        else:
            likely = likely @ parameters.wander.T
            told = likely @ parameters.spread.T
        left = state.left
        if not everybody:
            stays = active[:, None, :, None, None] > 0
            likely, told = torch.where(stays, likely, 1.0), torch.where(stays, told, 1.0)
            leaves = (present * (1 - active))[:, None, :, None, None]
            of_leavers = ((told_old + _TINY).log() * leaves).sum(2)
            left = left * (1 - drawn)[..., None, None] + of_leavers
        log_told = (told + _TINY).log()
        joint = log_told.sum(2) + left
        belief = self._belief(parameters, likely, log_told, joint, joined)
        after = FilterState(
            parameters,
            likely,
            log_told,
            left,
            self._total(parameters, joint),
            joined.log(),
            belief,
            x,
            variance,
            surprise,
            new[:, 0],
        )
        return after, found + evidence

    def summary(
        self, state: FilterState, active: Tensor, capacity: Tensor | None = None
    ) -> Summary:
        """What is known, and the price that is best in expectation.

        Args:
            state: after the last round.
            active: (B, K) 1 for the VMUs that will answer.
            capacity: (B,) all that can be run in the round to come; None: there is no limit.
        """
        expected = state.belief.flatten(-2) @ self._expectations
        bought, squared, with_best, moments = expected.split(self._sizes, dim=-1)
        means, squares, (own_best, bend) = (
            moments[..., :2],
            moments[..., 2:4],
            moments[..., 4:].unbind(-1),
        )
        spreads = (torch.addcmul(squares, means, means, value=-1).clamp(min=0) + 1e-4).sqrt()
        if state.parameters.step is not None:  # the second mean is that of ln q
            means = means + nn.functional.pad(state.x[:, None, None], (1, 0))
        sold = self._sold(state, (bought * active[..., None]).sum(-2))
        scarcity = torch.zeros_like(state.x)
        if capacity is not None:
            scarcity = sold[..., 0] / (sold[..., 0] + capacity).clamp(min=_TINY)
            sold = torch.minimum(sold, capacity[..., None])
        coarse = bought[..., ::_COARSE]
        with_best = with_best - own_best[..., None] * coarse
        variance = (1 + state.parameters.sigma**2) * squared - coarse**2
        told = self._told(with_best, variance, bend * active)
        worth = self._at_trials(state, told, _COARSE)
        best_logit = self._best_logit(torch.addcmul(HORIZON * worth, self._margin, sold))
        surprise = (state.surprise.clamp(-5, 5) / 5)[..., None]
        own = torch.cat([means, spreads, surprise], -1)
        there = (active / active.sum(-1, keepdim=True).clamp(min=1))[..., None]
        of_market = torch.stack([best_logit, state.change, scarcity], -1)
        market = torch.cat([of_market, (spreads * there).sum(-2)], -1)
        return Summary(own, market, best_logit)

    def _told(self, covariance: Tensor, variance: Tensor, bend: Tensor) -> Tensor:
        """What purchases at prices would save in a round, (B, J), VMUs taken one by one.

        A VMU pays A/q·(p − b)² less where the price is not its own best b. Of the variance of b, a
        purchase explains the square of its correlation with b. The market's price is the mean of
        the VMUs' own best ones, weighed by A/q.

        Args:
            covariance: (B, K, J) of b with a VMU's purchase at each price.
            variance: (B, K, J) of the purchase, noise included.
            bend: (B, K) expected A/q, 0 for those who are not there.
        """
        explained = covariance.square() / (variance + 1.0)  # it may be 0 where nobody buys
        saved = (explained * bend.square()[..., None]).sum(-2)
        return saved / bend.sum(-1, keepdim=True).clamp(min=_TINY)

    def _moved(
        self, state: FilterState, price: Tensor, steps: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What a round tells of x, the common move of all q.

        Three values of x have its mean and its variance. What another VMU's purchase tells of them
        counts when it is asked what a VMU's own purchase tells of its line.

        Returns:
            The likelihood (B, K, A, Q) of purchases by the lines of the first round; mean and
            variance (B,) of x in the next round; how likely each VMU's purchase was (B, K), as a
            logarithm; and how much likelier all purchases are together than one by one, (B,).
        """
        # Gradients do not go on through x from round to round: over many they are wild.
        parameters, x = state.parameters, state.x.detach()
        if parameters.step is None:
            likelihood = self._likelihood(
                parameters, price.log(), steps, self._log_q[_APART:-_APART]
            )
            if not present.all():
                likelihood = torch.where(present[..., None, None] > 0, likelihood, 1.0)
            expected = (state.belief * likelihood).flatten(-2).sum(-1).log()
            return likelihood, x, state.variance, expected, torch.zeros_like(x)
        wide = self._likelihood(parameters, price.log() - x, steps, self._log_q)
        slices = [wide[..., i : i + self._chokes] for i in (0, _APART, 2 * _APART)]
        each = [(state.belief * part).flatten(-2).sum(-1) for part in slices]
        log = torch.stack(each, -1).log() * present[..., None]
        outer = state.variance / (2 * self._shifts[2] ** 2)
        prior = torch.stack([outer, 1 - 2 * outer, outer], -1).clamp(min=1e-6).log()
        together = log.sum(1) + prior
        others = together[:, None] - log
        found, of_others = together.logsumexp(-1), others.logsumexp(-1)
        chance = (others - of_others[..., None]).exp()[..., None, None]  # (B, K, 3, 1, 1)
        likelihood = slices[1] * chance[:, :, 1]
        likelihood = torch.addcmul(likelihood, slices[0], chance[:, :, 0])
        likelihood = torch.addcmul(likelihood, slices[2], chance[:, :, 2])
        if not present.all():
            likelihood = torch.where(present[..., None, None] > 0, likelihood, 1.0)
        expected = found[:, None] - of_others
        after = (together - found[:, None]).exp()
        mean = after @ self._shifts
        variance = parameters.persistence**2 * (after @ self._shifts**2 - mean**2)
        variance = (variance + parameters.step).clamp(max=0.98 * self._shifts[2].item() ** 2)
        x = (parameters.persistence * (x + mean)).clamp(-_MOST_X, _MOST_X)
        return likelihood, x, variance, expected, found - expected.sum(-1)

    def _total(self, parameters: FilterParameters, told: Tensor) -> Tensor:
        """Logarithm (…) of the mean over the prior of what is told of (A, c), (…, A, C)."""
        return (told + parameters.log_prior).flatten(-2).logsumexp(-1)

    def _belief(
        self,
        parameters: FilterParameters,
        likely: Tensor,
        log_told: Tensor,
        joint: Tensor,
        chance: Tensor,
    ) -> Tensor:
        """(B, K, A, Q) probabilities of lines by all VMUs' purchases, under either hypothesis."""
        others = (joint + parameters.log_prior)[:, :, None] - log_told
        most = others.detach().amax((-2, -1), keepdim=True)
        others = (others - most).clamp(min=_LEAST_OTHERS).exp()
        lines = likely * (others @ parameters.spread)
        share = chance[:, :, None] / lines.flatten(-2).sum(-1)
        return (lines * share[..., None, None]).sum(1)

    def _sold(self, state: FilterState, bought: Tensor) -> Tensor:
        """Expected demand (B, trials), x included, from that without it at prices (B, J)."""
        if state.parameters.step is None:
            return self._at_trials(state, bought, 1)
        outer = (state.variance / (2 * self._shifts[2] ** 2))[:, None]
        inner = (1 - 2 * outer) * bought[:, _APART:-_APART]
        both = bought[:, : -2 * _APART] + bought[:, 2 * _APART :]
        return self._at_trials(state, torch.addcmul(inner, outer, both), 1, _APART)

    def _at_trials(self, state: FilterState, table: Tensor, cells: int, first: int = 0) -> Tensor:
        """A table (B, J) of prices that x multiplies, at the prices (B, trials) that are compared.

        Args:
            state: which x.
            table: by prices so many cells apart, from the first one that was looked up.
            cells: how many.
            first: cells from the first price to the table's.
        """
        if state.parameters.step is None:
            return table @ (self._weights if cells == 1 else self._coarse_weights)
        place = (self._place - (state.x / self._cell)[:, None] - first) / cells
        below = place.detach().floor().clamp(0, table.shape[1] - 2)
        index = below.long()
        return torch.lerp(table.gather(1, index), table.gather(1, index + 1), place - below)

    def _best_logit(self, utility: Tensor) -> Tensor:
        """The best price by its expected utility (…, trials), between two trials by a parabola."""
        best = utility[..., 1:-1].argmax(-1, keepdim=True) + 1
        before, at, behind = (utility.gather(-1, best + i) for i in (-1, 0, 1))
        bend = (2 * at - before - behind).clamp(min=1e-3 * at.detach().abs() + _TINY)
        place = (best + (0.5 * (behind - before) / bend).clamp(-1, 1)) / (self._trials - 1)
        return (place[..., 0].clamp(_EDGE, 1 - _EDGE) ** 1.5).logit()

    def _demand(self, log_price: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Demand at prices (B,) by lines (A,) by (Q,), and how it varies within a cell.

        Returns:
            Demand of the VMUs that buy (B, A, Q), the probability that one does (B, Q), and the
            demand's relative variance within a cell (B, Q). With a floor everybody buys, and lines
            stand for themselves. Without, those of a cell buy whose q lies above the price, and the
            geometric middle of these q stands for them.
        """
        low, high = self.public.min_steps, self.public.max_steps
        above = log_q - log_price[:, None]
        if low > 0:
            share = 1 - (-above).exp()
            demand = (self._a * share[:, None]).clamp(low, high)
            return demand, torch.ones_like(share), torch.zeros_like(share)
        buys = (above / self._cell + 0.5).clamp(0, 1)
        ratio = torch.sub((self._cell / 2) * buys - self._cell / 2, above).exp()
        share = (1 - ratio).clamp(min=_LEAST_SHARE)
        # ln q is uniform over the cell's part, and dS/d ln q = A·p/q.
        variance = (buys * ratio / share).square() * (self._cell**2 / 12)
        return (self._a * share[:, None]).clamp(max=high), buys, variance

    def _likelihood(
        self, parameters: FilterParameters, log_price: Tensor, steps: Tensor, log_q: Tensor
    ) -> Tensor:
        """(B, K, A, q): a normal density about the demand, a probability at the bounds."""
        low, high = self.public.min_steps, self.public.max_steps
        demand, buys, variance = self._demand(log_price, log_q)
        sigma = (parameters.sigma.square() + variance).sqrt()[:, None]
        width = demand * sigma
        score = torch.addcmul((-1 / sigma)[:, None], steps[..., None, None], (1 / width)[:, None])
        density = torch.addcmul((high / width).log()[:, None], score, score, value=-0.5)
        likelihood = density.clamp(min=_LEAST).exp()
        at_low, at_high = steps <= low * (1 + 1e-6), steps >= high * (1 - 1e-6)
        at_bound = at_low | at_high if low > 0 else at_high
        tail = at_bound.nonzero(as_tuple=True)
        if len(tail[0]):
            sign = torch.where(at_low, _PEAK, -_PEAK)[tail][:, None, None]
            beyond = 0.5 * torch.erfc(score[tail] * -sign) + math.exp(_LEAST)
            likelihood = likelihood.index_put(tail, beyond)
        if low > 0:
            return likelihood
        buys = buys[:, None, None]
        declined = at_low[..., None, None]
        return torch.where(declined, 1 - buys, likelihood * buys) + math.exp(_LEAST)
