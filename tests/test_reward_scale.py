"""`scale_rewards` divides a leader's reward by a constant of the environment, in every view."""

import copy

import numpy as np
import pytest
import torch
from views import COMPETITION, MENUS, PRICING, VIEWS, menu, menu_lanes, pricing, pricing_lanes

import aigc_market

DRIFT = aigc_market.Scenario("fixed, then it drifts", moves=[aigc_market.Drift()])
SHIFT = aigc_market.Shift(0.3)
LAWS = {
    "wide": {"satisfaction": aigc_market.LogUniform(50, 800)},
    "function": {"satisfaction": aigc_market.Drawn(50, 800, lambda rng: rng.uniform(50, 800, 2))},
    "capacity": {"scenario": "capacity"},
    "shift": {"scenario": "shift"},
    "crowd": {"scenario": "crowd"},
}
BY_CONTRACT = {
    "wide": LAWS["wide"],
    "hidden": {"scenario": "hidden", "contracts": 2},
    "shift": {"scenario": aigc_market.Scenario("types", arguments=LAWS["wide"], moves=[SHIFT])},
}
SEVERAL = {
    "hidden": {"scenario": "hidden"},
    "road": {"scenario": "road", "M": 3},
    "unequal": {"satisfaction": aigc_market.Uniform(100, 300), "cost": [1.0, 2.0]},
}
GAMES = {"pricing": (PRICING, LAWS), "several": (COMPETITION, SEVERAL)}
GAMES |= {"menus": (MENUS, BY_CONTRACT)}
CASES = [(game, law) for game, (_, laws) in GAMES.items() for law in laws]


def factors(view, **arguments):
    """(N, leaders) what utilities were multiplied by in two episodes; NaN where they were 0."""
    if view in COMPETITION:
        arguments["judged"] = False
    if view.startswith("tensors"):
        arguments["dtype"] = torch.float64
    player, found = VIEWS[view], []
    env = player.make(scale_rewards=True, **arguments)
    for seed in (1, 2):
        player.reset(env, seed=seed)
        for number in range(36 if "aec" in view else 20):
            told = player.move(env, number)
            utility, reward = told.get("infos", {}).get("utility"), told.get("rewards")
            if view.startswith("tensors"):
                utility, reward = told["asp"]["info"]["utility"], told["asp"]["reward"][..., 0]
            elif isinstance(reward, dict):
                if not any(reward.values()):  # amid a round of the game by turns
                    continue
                leaders = [agent for agent in reward if agent.startswith("asp")]
                utility = [[told["infos"][leader]["utility"] for leader in leaders]]
                reward = [[reward[leader] for leader in leaders]]
            utility, reward = (np.atleast_1d(value) for value in (utility, reward))
            found.append(np.where(utility, reward, np.nan) / np.where(utility, utility, np.nan))
    return np.concatenate([each.reshape(len(each), -1) for each in found])


@pytest.mark.parametrize(("game", "law"), CASES)
def test_one_constant_in_every_view_and_market(game, law):
    views, laws = GAMES[game]
    constants = np.nanmean(factors(next(iter(views)), **laws[law]), axis=0)
    for view in views:
        if view.startswith("tensors") and law == "function":
            continue  # refused there
        for seat in range(len(constants)) if "rival" in view else [None]:
            more = {} if seat is None else {"seat": seat, "rivals": lambda *_: 3.0}
            found = factors(view, **laws[law], **more)
            expected = constants if seat is None else constants[[seat]]
            assert np.isfinite(found).any(axis=0).all()
            found = np.where(np.isnan(found), expected, found)
            np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=1e-6)


@pytest.mark.parametrize(("game", "law"), [case for case in CASES if case[0] != "several"])
def test_it_is_the_mean_over_the_law(game, law):
    """Of 256 markets: within four standard errors of the mean over 4,000 others."""
    views, laws = GAMES[game]
    constant = np.nanmean(factors(next(iter(views)), **laws[law]))
    others = (menu_lanes if game == "menus" else pricing_lanes)(4000, **laws[law])
    others.reset(seed=77)
    best = (others.best_menu if game == "menus" else others.equilibrium).asp_utility
    error = best.std() / np.sqrt(256)
    assert abs(1 / constant - best.mean()) < 4 * error
    assert best.std() > 0.01 * best.mean()  # the episode's own would not pass the test above


@pytest.mark.parametrize(
    "view", [pricing, lambda **kw: pricing_lanes(2, **kw), menu, lambda **kw: menu_lanes(2, **kw)]
)
def test_the_market_of_the_arguments_is_the_measure_of_one_set_by_options(view):
    env, plain = view(scale_rewards=True), view()
    for each in (env, plain):
        each.reset(seed=0, options={"cost": 4.0, "satisfaction": 190.0})
    prices = np.full(env.action_space.shape, 9.0, "f4")
    solve = aigc_market.solve_menu if hasattr(env, "best_menu") else aigc_market.solve
    best = solve(aigc_market.Market()).asp_utility
    np.testing.assert_allclose(env.step(prices)[1], plain.step(prices)[1] / best)


def test_a_fixed_market_that_moves_begins_at_one():
    env = pricing(scenario=DRIFT, scale_rewards=True)
    env.reset(seed=0)
    first = env.step(np.array([8.0], "f4"))[1]
    later = [env.step(np.array([8.0], "f4"))[1] for _ in range(5)]
    assert first == pytest.approx(1.0)
    assert np.std(later) > 0.01


def test_the_draws_disturb_nobody():
    plain, scaled = (pricing(scenario="hidden", scale_rewards=on) for on in (False, True))
    for env in (plain, scaled, copy.deepcopy(scaled)):
        np.testing.assert_array_equal(env.reset(seed=5)[0], plain.reset(seed=5)[0])
        np.testing.assert_array_equal(env.market.satisfaction, plain.market.satisfaction)
        env.step(np.array([5.0], "f4"))
