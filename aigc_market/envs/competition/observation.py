"""What VMUs see where providers compete, and the spaces of all observations."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box

from aigc_market._arrays import beside, joined
from aigc_market.competition import Competition
from aigc_market.envs import observation
from aigc_market.envs.competition.provider import provider_bounds
from aigc_market.envs.competition.settings import Settings


class Scales(observation.Scales):
    """Factors from physical units to the units of observations."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        most = settings.seen_access_cost_bounds[1]
        self.access_cost = 1.0 / most if settings.normalize else 1.0


def private(settings: Settings, scales: Scales, market: Competition) -> Any:
    """What a VMU knows of itself beside its choices, in the units of observations.

    Returns:
        (…, K, 1 + M) or (…, K, 3 + M): its δ; α and β where they are drawn; its τ at each provider.
    """
    columns = [market.satisfaction * scales.satisfaction]
    if settings.ssim is not None:
        drawn = market.ssim[0]
        columns += [drawn.alpha * scales.alpha, drawn.beta * scales.beta]
    access_cost = market.access_cost * scales.access_cost
    columns += [access_cost[..., m, :] for m in range(market.M)]
    return beside(columns)


def hidden(settings: Settings, of_vmus: Any) -> Any:
    """All that providers cannot see of a market, from what is `private`.

    Returns:
        (…, H): every δ, then α and β where they are drawn, then τ, provider by provider.
    """
    drawn = 2 if settings.ssim is not None else 0
    access_cost = [of_vmus[..., 1 + drawn + m] for m in range(settings.market.M)]
    return joined([of_vmus[..., 0], of_vmus[..., 0, 1 : 1 + drawn], *access_cost])


def private_index(settings: Settings) -> np.ndarray:
    """Where in what is `hidden` that stands which is `private` to each VMU, (K, …)."""
    M, K = settings.market.M, settings.market.K
    vmus = np.arange(K)[:, None]
    drawn = 2 if settings.ssim is not None else 0
    coefficients = np.full((K, drawn), K + np.arange(drawn))
    return np.concatenate([vmus, coefficients, K + drawn + vmus + K * np.arange(M)], axis=-1)


class ObservationSpaces:
    """Flat boxes with finite bounds, equal for all providers and equal for all VMUs."""

    def __init__(self, settings: Settings) -> None:
        market, scales, n = settings.market, Scales(settings), settings.history
        M, K = market.M, market.K
        prices = (0.0, settings.price_bounds[1] * scales.price, M)
        most = market.max_steps * scales.steps
        low, high = (bound * scales.satisfaction for bound in settings.seen_satisfaction_bounds)
        reach = settings.seen_access_cost_bounds[1] * scales.access_cost
        coefficients = observation.coefficient_bounds(settings, scales)
        rounds = provider_bounds(settings)
        self.asp: Box = observation.box(*rounds)
        self.parallel_asp: Box = observation.box(prices, *rounds)
        itself = [(low, high, 1), *coefficients, (0.0, reach, M)]
        own_rounds = [prices, (0.0, 1.0, M), (0.0, most, M)] * n
        self.vmu: Box = observation.box(*itself, prices, *own_rounds)
        all_rounds = [prices, (0.0, 1.0, M * K), (0.0, most, M * K)] * n
        of_market = [(low, high, K), *coefficients, (0.0, reach, M * K)]
        self.state: Box = observation.box(*of_market, prices, *all_rounds)
