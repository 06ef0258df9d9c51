"""A live model executes whole calls: every view, the judge, the solver and the verifier agree."""

import numpy as np
import pytest
from fake_training import Always
from views import Service, act

import aigc_market
from baselines.arena.task import Task
from baselines.experiments.paper.live import play_live

CALLS = 24
SERVICE = Service(np.arange(CALLS + 1), 0.4 + 0.4 * (1 - np.exp(-np.arange(CALLS + 1) / 6)))
SCARCE = {"ssim": SERVICE, "max_steps": CALLS, "satisfaction": [400.0, 650.0], "capacity": 15.0}


def by_hand(market, price):
    """U_p against rational VMUs, written apart from the rules."""
    steps = np.arange(CALLS + 1)
    worth = market.satisfaction[:, None] * (SERVICE(steps) - SERVICE(0.0)) - price * steps
    asked = [int(np.flatnonzero(row >= row.max() - 1e-9)[-1]) for row in worth]
    total = sum(asked)
    if market.capacity is not None and total > market.capacity:
        asked = [int(np.floor(a * market.capacity / total + 1e-9)) for a in asked]
    return (price - market.cost) * sum(asked)


@pytest.mark.parametrize("capacity", [None, 3.0, 7.5, 22.0, 1000.0])
@pytest.mark.parametrize("satisfaction", [[400.0, 650.0], [120.0, 700.0, 701.0], 60.0])
def test_the_solver_finds_the_best_of_whole_calls(capacity, satisfaction):
    K = np.size(satisfaction) if np.ndim(satisfaction) else 2
    market = aigc_market.Market(
        **{**SCARCE, "K": K, "satisfaction": satisfaction, "capacity": capacity}
    )
    solved = aigc_market.solve(market)
    fine = np.linspace(market.cost, market.max_price, 2_001)
    best = max(by_hand(market, price) for price in fine)
    assert solved.asp_utility >= best - 1e-9
    assert solved.asp_utility == pytest.approx(by_hand(market, solved.price), rel=1e-9)
    gap = aigc_market.regret(market, solved.price, aigc_market.best_response(market, solved.price))
    assert gap.leader <= 1e-9
    assert (solved.steps == np.floor(solved.steps)).all()


def test_a_batch_is_solved_like_its_markets():
    capacity = np.array([3.0, 7.5, 15.0, 1000.0])
    batch = aigc_market.solve(aigc_market.Market(**{**SCARCE, "capacity": capacity}))
    for i, one in enumerate(capacity):
        alone = aigc_market.solve(aigc_market.Market(**{**SCARCE, "capacity": one}))
        assert batch.price[i] == alone.price
        assert batch.asp_utility[i] == alone.asp_utility
        np.testing.assert_array_equal(batch.steps[i], alone.steps)
        assert batch.binding.capacity[i] == alone.binding.capacity


def test_every_vmu_loses_the_fraction_of_a_call():
    env = aigc_market.env(**SCARCE)
    env.reset(seed=0)
    act(env, [5.0], [11.0], [9.0])
    # 20 are asked for and 15 can be run: three quarters of 11 and of 9, in whole calls.
    assert [env.infos[vmu]["steps"] for vmu in ("vmu_0", "vmu_1")] == [8.0, 6.0]
    assert env.infos["asp_0"]["utility"] == 4 * 14


def test_a_live_leader_knows_its_capacity_and_what_was_asked_for():
    leader = Always(5.0, 1)
    task = Task(aigc_market.Scenario("own", arguments=SCARCE))
    records = play_live(leader, task, rounds=2, seed=0)
    asked = aigc_market.best_response(aigc_market.Market(**SCARCE), 5.0)
    assert sum(record["steps"] for record in records[:2]) <= SCARCE["capacity"] < asked.sum()
    first, second = leader.seen
    assert first.capacity == second.capacity == [SCARCE["capacity"]]
    assert first.steps.shape == (1, 0, 2)
    np.testing.assert_array_equal(second.steps[0, 0], asked)
