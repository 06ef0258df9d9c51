"""Families of markets that Bayes methods know: how demand follows from what is drawn.

In each of them the followers of a market share one number s, and each has one of its own, o_k.
Demand is a line of x(p), held within the bounds of a purchase. Where δ has a level that the
followers share, log o_k = c + e_k, and (s, c) come from the level and the first two coefficients of
SSIM, without their signs, which are drawn or known.
"""

from __future__ import annotations

import numpy as np

from aigc_market.ssim.model import Lines
from aigc_market.ssim.saturating import Logarithms
from baselines.arena.protocol import PublicParameters
from baselines.methods.demand import chokes, flat_lines


class Quadratic:
    """SSIM is αS² + βS + γ, and demand A − B_k·p: s is A = β/(2|α|), o_k is B_k = 1/(2|α|·δ_k)."""

    form = Lines()
    """x."""

    @staticmethod
    def market(
        first: np.ndarray, second: np.ndarray, level: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """s and c from |α|, β and the level of δ, which broadcast."""
        return second / (2 * first), -np.log(2 * first * level)

    @staticmethod
    def own(log_factor: np.ndarray) -> np.ndarray:
        """e_k from the logarithm of δ_k over the level: the more satisfaction, the less B_k."""
        return -log_factor

    @staticmethod
    def line(shared: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """L and T from s and o_k, which broadcast; demand is L − T·x(p), here of A and B_k."""
        return shared, own

    @staticmethod
    def flat(public: PublicParameters) -> tuple[np.ndarray, np.ndarray]:
        """All that the bounds allow, as likely: s (a, 1), and o_k (a, b). See `flat_lines`."""
        intercept, slope = flat_lines(public)
        return intercept[:, None], slope


class Saturating:
    """SSIM is γ + A·(1 − e^(−S/τ)), and demand τ·ln(q_k/p): s is τ, o_k is q_k = A·δ_k/τ.

    q_k is the price at which demand ends.
    """

    form = Logarithms()
    """x."""

    @staticmethod
    def market(
        first: np.ndarray, second: np.ndarray, level: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """s and c from A, τ and the level of δ, which broadcast."""
        return second, np.log(first * level / second)

    @staticmethod
    def own(log_factor: np.ndarray) -> np.ndarray:
        """e_k from the logarithm of δ_k over the level: q_k is in proportion to δ_k."""
        return log_factor

    @staticmethod
    def line(shared: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """L and T from s and o_k, which broadcast: τ·ln q_k and τ."""
        return shared * np.log(own), shared

    @staticmethod
    def flat(public: PublicParameters) -> tuple[np.ndarray, np.ndarray]:
        """All that the bounds allow, as likely: τ (a, 1) and q (1, b), log-spaced.

        τ, what is bought more when the price falls to 1/e of it, lies between S_max/20 and S_max.
        """
        scale = np.geomspace(public.max_steps / 20, public.max_steps, 32)
        return scale[:, None], chokes(public)[None]


Family = type[Quadratic] | type[Saturating]
