"""Families of markets that Bayes methods know: how demand follows from what is drawn.

In each of them the followers of a market share one number s, and each has one of its own, o_k.
Demand is a line of x(p), held within the bounds of a purchase. Where δ has a level that the
followers share, log o_k = c + e_k, and (s, c) come from the level and two coefficients of SSIM.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import numpy as np

from aigc_market.ssim.model import Lines
from aigc_market.ssim.saturating import Logarithms
from baselines.arena.protocol import PublicParameters
from baselines.methods.demand import flat_lines, flat_logarithms


class Family(Protocol):
    """A form of SSIM whose first two coefficients, without their signs, are drawn or known."""

    form: ClassVar[Lines]
    """x."""

    @staticmethod
    def market(
        first: np.ndarray, second: np.ndarray, level: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """s and c from the coefficients and the level of δ, which broadcast."""
        ...

    @staticmethod
    def own(log_factor: np.ndarray) -> np.ndarray:
        """e_k from the logarithm of δ_k over the level."""
        ...

    @staticmethod
    def line(shared: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """L and T from s and o_k, which broadcast: demand is L − T·x(p)."""
        ...

    @staticmethod
    def flat(public: PublicParameters) -> tuple[np.ndarray, np.ndarray]:
        """All that the bounds allow, as likely: s (a, 1), and o_k (a, b) or (1, b)."""
        ...


class Quadratic:
    """SSIM is αS² + βS + γ, and demand A − B_k·p: s is A = β/(2|α|), o_k is B_k = 1/(2|α|·δ_k)."""

    form: ClassVar[Lines] = Lines()

    @staticmethod
    def market(
        first: np.ndarray, second: np.ndarray, level: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """From |α| and β."""
        return second / (2 * first), -np.log(2 * first * level)

    @staticmethod
    def own(log_factor: np.ndarray) -> np.ndarray:
        """The more satisfaction, the less B_k."""
        return -log_factor

    @staticmethod
    def line(shared: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A and B_k."""
        return shared, own

    @staticmethod
    def flat(public: PublicParameters) -> tuple[np.ndarray, np.ndarray]:
        """As `flat_lines`."""
        intercept, slope = flat_lines(public)
        return intercept[:, None], slope


class Saturating:
    """SSIM is γ + A·(1 − e^(−S/τ)), and demand τ·ln(q_k/p): s is τ, o_k is q_k = A·δ_k/τ.

    q_k is the price at which demand ends.
    """

    form: ClassVar[Lines] = Logarithms()

    @staticmethod
    def market(
        first: np.ndarray, second: np.ndarray, level: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """From A and τ."""
        return second, np.log(first * level / second)

    @staticmethod
    def own(log_factor: np.ndarray) -> np.ndarray:
        """q_k is in proportion to δ_k."""
        return log_factor

    @staticmethod
    def line(shared: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """τ·ln q_k and τ."""
        return shared * np.log(own), shared

    @staticmethod
    def flat(public: PublicParameters) -> tuple[np.ndarray, np.ndarray]:
        """As `flat_logarithms`."""
        scale, choke = flat_logarithms(public)
        return scale[:, None], choke[None]
