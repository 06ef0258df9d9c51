"""`scale_rewards` divides a leader's reward by a constant of the environment, in every view."""

import copy

import numpy as np
import pytest
from views import menu, menu_lanes, pricing, pricing_lanes, rival, rival_lanes

import aigc_market
from aigc_market import competition_v0, menus_v0, stackelberg_v0

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


def factors(infos, rewards):
    """What utilities were multiplied by."""
    return np.asarray(rewards) / np.asarray(infos["utility"])


def posted(env, price):
    """That price, or menus of so many steps for a fee with a gain."""
    offer = np.full(env.action_space.shape, price, "f4")
    if isinstance(env, type(menu()) | type(menu_lanes(1))):
        offer[..., 1::2] *= 3
    return offer


def of_single(env, price=5.0):
    env.reset(seed=1)
    found, price = [], posted(env, price)
    for _ in range(3):
        _, reward, *_, info = env.step(price)
        found.append(factors(info, reward))
    env.reset(seed=2)
    _, reward, *_, info = env.step(price)
    return [*found, factors(info, reward)]


def of_lanes(env, price=5.0):
    env.reset(seed=1)
    _, rewards, *_, infos = env.step(posted(env, price))
    sold = infos["utility"] != 0
    return rewards[sold] / infos["utility"][sold]


def action(env, agent):
    space = env.action_space(agent)
    if hasattr(space, "n"):
        return 1
    return 0.8 * space.low + 0.2 * space.high


def of_agents(env, leaders):
    """Of each leader, in two episodes."""
    found = []
    for seed in (1, 2):
        env.reset(seed=seed)
        if hasattr(env, "agent_iter"):
            for agent in env.possible_agents:
                env.step(action(env, agent))
            rewards, infos = env.rewards, env.infos
        else:
            actions = {agent: action(env, agent) for agent in env.agents}
            _, rewards, _, _, infos = env.step(actions)
        found.append([factors(infos[agent], rewards[agent]) for agent in leaders])
    return np.array(found)


LEADERS = {
    stackelberg_v0: (pricing, pricing_lanes, LAWS, {"vmu_reward": "surplus"}),
    menus_v0: (menu, menu_lanes, BY_CONTRACT, {}),
}
every_law = pytest.mark.parametrize(
    ("game", "law"), [(game, law) for game in LEADERS for law in LEADERS[game][2]], ids=str
)


@every_law
def test_one_constant_in_every_view_and_market(game, law):
    one, many, laws, more = LEADERS[game]
    arguments = {**laws[law], "scale_rewards": True, **more}
    single = of_single(one(followers="best_response", **arguments))
    lanes = of_lanes(many(50, followers="best_response", **arguments))
    views = [game.raw_env, game.parallel_env]
    agents = [of_agents(view(**arguments), ["asp_0"]) for view in views]
    constant = single[0]
    for found in (single, lanes, *agents):
        np.testing.assert_allclose(found, constant, rtol=1e-6)


@every_law
def test_it_is_the_mean_over_the_law(game, law):
    """Of 256 markets: within four standard errors of the mean over 4,000 others."""
    one, many, laws, _ = LEADERS[game]
    constant = of_single(one(followers="best_response", scale_rewards=True, **laws[law]))[0]
    others = many(4000, **laws[law])
    others.reset(seed=77)
    best = (others.best_menu if one is menu else others.equilibrium).asp_utility
    error = best.std() / np.sqrt(256)
    assert abs(1 / constant - best.mean()) < 4 * error
    assert best.std() > 0.01 * best.mean()  # the episode's own would not pass the test above


@pytest.mark.parametrize("law", SEVERAL)
def test_each_provider_has_a_constant_of_its_own(law):
    arguments = {**SEVERAL[law], "scale_rewards": True}
    M = competition_v0.raw_env(**arguments).settings.market.M
    leaders = [f"asp_{m}" for m in range(M)]
    views = [competition_v0.raw_env, competition_v0.parallel_env]
    constants = of_agents(views[0](**arguments), leaders)[0]
    for view in views:
        found = of_agents(view(**arguments), leaders)
        np.testing.assert_allclose(found, np.broadcast_to(constants, found.shape), rtol=1e-6)
    rivals = {"rivals": "cartel", **arguments}
    for seat in range(M):
        one = rival(seat=seat, followers="best_response", **rivals)
        many = rival_lanes(20, seat=seat, followers="best_response", **rivals)
        np.testing.assert_allclose(of_single(one), constants[seat], rtol=1e-6)
        np.testing.assert_allclose(of_lanes(many), constants[seat], rtol=1e-6)


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


@pytest.mark.parametrize("game", ["stackelberg", "competition", "menus"])
def test_tensors_have_the_parallel_environments_constant(game):
    torch = pytest.importorskip("torch")
    from aigc_market.torchrl import MarketEnv

    modules = {"stackelberg": stackelberg_v0, "competition": competition_v0, "menus": menus_v0}
    view = modules[game].parallel_env
    arguments = {"scenario": "hidden", "scale_rewards": True}
    leaders = [a for a in view(**arguments).possible_agents if a.startswith("asp")]
    constants = of_agents(view(**arguments), leaders)[0]
    env = MarketEnv(30, game, infos=True, dtype=torch.float64, seed=0, **arguments)
    step = env.rand_step(env.reset())["next"]["asp"]
    sold = step["info", "utility"].abs() > 1e-9
    found = (step["reward"][..., 0] / step["info", "utility"]).numpy()
    expected = np.broadcast_to(constants, found.shape)
    np.testing.assert_allclose(found[sold], expected[sold], rtol=1e-6)
