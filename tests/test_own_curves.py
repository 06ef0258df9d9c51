"""Followers with SSIM curves of their own, side by side in a batch: each lane is the game alone."""

import numpy as np
import pytest

import aigc_market
from aigc_market.envs.pages.vector import PricingVectorEnv
from aigc_market.ssim import QuadraticSSIM

K = 3
SSIM = QuadraticSSIM(-0.000174 * np.array([1.0, 1.2, 1.5]), np.array([0.075, 0.07, 0.08]))
LAWS = {
    "drawn": {"satisfaction": aigc_market.Uniform(100, 300)},
    "drifting": {"scenario": aigc_market.Scenario("drifts", moves=[aigc_market.Drift()])},
    "traffic": {"scenario": aigc_market.Scenario("crowd", moves=[aigc_market.Traffic(1.0)])},
    "scarce": {"capacity": aigc_market.DemandShare(aigc_market.Uniform(0.4, 0.9))},
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("N", [1, K, 5])
def test_every_law_and_move_leaves_each_follower_its_curve(law, N):
    """Frames too, which take single markets out of the batch."""
    lanes = PricingVectorEnv(N, K=K, ssim=SSIM, render_mode="rgb_array", **LAWS[law])
    lanes.reset(seed=1)
    for price in (4.0, 6.0):
        market = lanes.market
        infos = lanes.step(np.full((N, 1), price, "f4"))[-1]
        delta = np.broadcast_to(market.satisfaction, (N, K))
        bought = np.clip((price / delta - SSIM.beta) / (2 * SSIM.alpha), 0, 250)
        if market.active is not None:
            bought = bought * market.active
        np.testing.assert_allclose(infos["demand"], bought, rtol=1e-5)
        again = aigc_market.solve(aigc_market.Market(**vars_of(lanes.market)))
        np.testing.assert_allclose(again.price, lanes.equilibrium.price)
        assert len(lanes.render()) == min(N, 4)


def vars_of(market):
    """Arguments of a market, as one reads them off it: they mean the same when checked again."""
    names = ("K", "cost", "max_price", "satisfaction", "capacity", "ssim", "active")
    return {name: getattr(market, name) for name in names}
