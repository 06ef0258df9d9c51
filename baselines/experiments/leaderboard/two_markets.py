"""The least that a leader loses who is told that its market is one of two.

It is a game of known moves: what is believed is one number, the odds of the two markets, and what
is lost from a round on is found backwards from the last. Nothing below is a sample; what is put on
a grid is put there such that less is lost (numbers are of single precision).

**Prices.** Prices are those of a grid. For one in between, each VMU's U(p) = (p − c)·S(p) is made
of concave pieces, and so lies above the chord of the two beside it by no more than B·w²/4, where B
is the slope of demand and w the distance of the two, and by (p − c)·B·w/4 where S meets S_max
there; a piece that ends at S = 0 bends the other way. That much is taken off what is lost at both,
and each is made to teach as much as any price up to its neighbours would.

**Purchases.** A VMU buys x·F held below S_max, where x is what is rational and F = max(1 + σε, f).
Seeing x·F is no less, and if F = f is seen the market may as well be told. Of two markets the
purchase tells by ρ = ln(x₁/x₀) alone. The larger |ρ|, the more it tells (in the sense of Blackwell:
for all k, E₀[(L − k)⁺] grows with |ρ|, L the likelihood ratio). This is no theorem here: the test
of this module checks it for σ = .3 on a mesh.

**Odds.** Their logarithm lives on a grid. The mass of likelihood ratios between two points of it is
given to the two points, such that under both markets it stays what it was: a spread, which tells
more. Odds beyond the grid are told the truth.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy.special import ndtr

from aigc_market.equilibrium import solve
from aigc_market.followers import LEAST_FACTOR
from aigc_market.market import Market
from aigc_market.ssim import QuadraticSSIM

STEP = 0.1
HALF = 50
"""The logarithm of the odds is held on the points i·STEP, |i| ≤ HALF."""
LOG_ODDS = STEP * np.arange(-HALF, HALF + 1)
"""(I,)"""
_RATIOS = STEP * np.arange(-2 * HALF, 2 * HALF + 1)
"""(J,) logarithms of likelihood ratios that lead from one of them to another."""
_TABLED = np.concatenate([np.arange(0, 0.3, 0.005), np.geomspace(0.3, 3.5, 80)])
"""|ρ| for which what a purchase tells is kept; others are rounded up, to all of it at last."""


class Demands:
    """N markets of one provider with a quadratic SSIM, whose VMUs may decline, and no capacity.

    Args:
        public: of it K, c, p_max and S_max count.
        alpha: (N,) −α > 0.
        beta: (N,) β > 0.
        satisfaction: (N, K) δ.
        prices: (V,) ascending, from c to p_max.
    """

    def __init__(
        self,
        public: Market,
        alpha: np.ndarray,
        beta: np.ndarray,
        satisfaction: np.ndarray,
        prices: np.ndarray,
    ) -> None:
        self.most, self.prices = float(public.max_steps), prices
        self.free = beta / (2 * alpha)
        """(N,) what a VMU would take if steps were free and unlimited."""
        self.choke = beta[:, None] * satisfaction
        """(N, K) the price from which a VMU buys nothing."""
        ssim = QuadraticSSIM(-alpha[:, None], beta[:, None])
        market = public.replace(satisfaction=satisfaction, ssim=ssim)
        self.best = np.asarray(solve(market).asp_utility)
        """(N,) U*."""
        gain = prices - float(public.cost)
        earned = gain * self.bought(prices[:, None, None]).sum(axis=-1).T
        self.lost = self.best[:, None] - earned - self._between(gain)
        """(N, V) what is lost at each price, less what could be won between it and the next.

        It may be below 0; what is expected of it may be raised to 0, which no price falls below.
        """

    def some(self, where: slice | np.ndarray) -> Self:
        """Some of the markets."""
        other = copy.copy(self)
        for name in ("free", "choke", "best", "lost"):
            setattr(other, name, getattr(self, name)[where])
        return other

    def bought(self, price: np.ndarray) -> np.ndarray:
        """(…, N, K) rational purchases at prices that broadcast."""
        return np.clip(self.free[:, None] * (1 - price / self.choke), 0, self.most)

    @property
    def full(self) -> np.ndarray:
        """(N, K) the price up to which a VMU buys S_max; below 0 where it never does."""
        return self.choke * (1 - self.most / self.free)[:, None]

    def _between(self, gain: np.ndarray) -> np.ndarray:
        """(N, V) by how much U lies above its chords beside each price, at most."""
        slope, width = self.free[:, None] / self.choke, np.diff(self.prices)
        above = slope.sum(axis=1)[:, None] * width**2 / 4
        for k in range(slope.shape[1]):
            bends = self.full[:, k, None]
            inside = (bends >= self.prices[:-1]) & (bends <= self.prices[1:])
            above += np.where(inside, gain[1:] * slope[:, k, None] * width / 4, 0.0)
        return np.maximum(np.pad(above, ((0, 0), (1, 0))), np.pad(above, ((0, 0), (0, 1))))


class Purchases:
    """What purchases tell of two markets, by ρ.

    Args:
        sigma: σ > 0 of the followers' noise.
    """

    def __init__(self, sigma: float) -> None:
        law = np.array([_likelihood_ratios(rho, sigma) for rho in _TABLED])
        law = np.concatenate([law, np.zeros((1, len(_RATIOS)))])
        # Where the second market's VMU buys less, the two change their names.
        self._law = np.stack([law, law[:, ::-1] * np.exp(-_RATIOS)])

    def __call__(self, two: Demands) -> np.ndarray:
        """(V, J) under the first of two markets, how likely purchases give such likelihood ratios.

        Of any price up to the neighbours of each. What is left to 1 tells the market.
        """
        prices = two.prices
        low = np.concatenate([prices[:1], prices[:-1]])
        high = np.concatenate([prices[1:], prices[-1:]])
        K = two.choke.shape[1]
        told, size = np.zeros(len(prices), bool), K * len(_RATIOS)
        spectrum: np.ndarray | float = 1.0
        for k in range(K):
            choke = two.choke[:, k]
            nobody = choke.max() <= low
            told |= ~nobody & (choke.min() <= high)
            at = [low, prices, high, *np.clip(two.full[:, k, None], low, high)]
            # ρ is monotone in the price between the points where one of the two meets S_max.
            bought = np.maximum(two.bought(np.stack(at)[..., None, None])[..., k], 1e-300)
            ratios = np.log(bought[..., 1] / bought[..., 0])
            widest = np.abs(ratios).argmax(axis=0)[None]
            rho = np.where(nobody | told, 0.0, np.take_along_axis(ratios, widest, axis=0)[0])
            place = np.searchsorted(_TABLED, np.abs(rho) - 1e-12)
            law = self._law[(rho < 0).astype(int), place]
            spectrum = spectrum * np.fft.rfft(law, size, axis=1)
        likely = np.fft.irfft(spectrum, size, axis=1)[:, 2 * HALF * (K - 1) :][:, : len(_RATIOS)]
        return np.where(told[:, None], 0.0, np.maximum(likely, 0.0))


def at_most(log_ratio: np.ndarray, rho: float, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """How likely a purchase's likelihood ratio is finite, above 0 and at most so large.

    Args:
        log_ratio: its logarithm.
        rho: ρ > 0.
        sigma: σ > 0.

    Returns:
        Under the first market, where F = y is seen, and under the second, where F = y·e^−ρ.
    """
    more = np.exp(rho)
    bend = (1 - more**-2) / (2 * sigma**2)
    middle = more / (1 + more)
    least = -rho - (more - 1) / (more + 1) / (2 * sigma**2)
    reach = np.sqrt(np.maximum(log_ratio - least, 0) / bend)
    low = np.maximum(middle - reach, LEAST_FACTOR * more)
    high = np.maximum(middle + reach, low)
    first, second = (
        np.where(log_ratio < least, 0, ndtr((high / by - 1) / sigma) - ndtr((low / by - 1) / sigma))
        for by in (1.0, more)
    )
    return first, second


def _likelihood_ratios(rho: float, sigma: float) -> np.ndarray:
    """(J,) how likely they are under the first market, spread to the grid."""
    law = np.zeros(len(_RATIOS))
    if rho == 0:
        law[2 * HALF] = 1.0
        return law
    first, second = (np.diff(below) for below in at_most(_RATIOS, rho, sigma))
    low, high = np.exp(_RATIOS[:-1]), np.exp(_RATIOS[1:])
    upper = (second - low * first) / (high - low)
    law[:-1] += np.maximum(first - upper, 0.0)
    law[1:] += np.maximum(upper, 0.0)
    return law


def lost_later(lost: np.ndarray, tells: np.ndarray, counted: Sequence[bool]) -> np.ndarray:
    """What is lost after a round whose purchases are yet to come, at least.

    Args:
        lost: (2, V) in a round, in each of the two markets, at each price.
        tells: (V, J) of the purchases there.
        counted: of each later round, whether what is lost in it counts.

    Returns:
        (V, I) by the price of the round and the log odds of the second market before it: the
        expectation, divided by the probability of the first market.
    """
    now = lost[0][:, None] + np.exp(LOG_ODDS) * lost[1][:, None]
    now = np.maximum(now, 0).astype(np.float32)
    tells = tells.astype(np.float32)
    size = len(LOG_ODDS)
    leads = np.arange(len(_RATIOS))[:, None] + np.arange(size)  # from each i by each ratio
    later = np.zeros((len(lost[0]), size), np.float32)
    for counts in reversed(counted):
        best = (now + later if counts else later).min(axis=0)
        later = tells @ np.pad(best, 2 * HALF)[leads]
    return later
