"""All views play exactly the same game: compared without a tolerance where units allow it."""

import gymnasium
import numpy as np
import pytest
from views import (
    VIEWS,
    Service,
    act,
    menu,
    menu_lanes,
    pricing,
    pricing_lanes,
    rival,
    rival_lanes,
    same,
)

import aigc_market
from aigc_market import competition, competition_v0, menus, menus_v0
from aigc_market.moves import Drift, Road, Shift, Traffic
from aigc_market.scenarios import SCENARIOS
from aigc_market.ssim import QuadraticSSIM, SaturatingSSIM, TabulatedSSIM

ROUNDS = 4

# Purchases from this table are whole, and halves, quarters, … of the range: discrete and
# normalised actions express them exactly.
TABLE = {
    "ssim": TabulatedSSIM([0, 64, 128, 192, 256], [0, 3.2, 5.4, 5.2, 6.8]),
    "min_steps": 0,
    "max_steps": 256,
}
# As many VMUs as there are games in a batch: whose curve is whose must not be mistaken.
OWN_CURVES = {"K": 3, "ssim": SaturatingSSIM([2.5, 3.0, 4.0], [30.0, 40.0, 50.0])}
SEVEN = {"K": 7, "satisfaction": [50, 90, 150, 200, 300, 500, 800]}
FORTY = {"K": 40, "satisfaction": np.linspace(60, 700, 40)}
BUSY = Traffic(busy=0.5, arrival=0.2, departure=0.3)
EVERYTHING = aigc_market.Scenario(
    "everything", "noisy", {**SCENARIOS["capacity"].arguments, "K": 4}, [Drift(), Shift(0.2), BUSY]
)
STANDING = {
    "paper": {},
    "one VMU": {"K": 1, "history": 1},
    "seven VMUs": {**SEVEN, "history": 9},
    "forty, scarce": {**FORTY, "capacity": 1234.5},
    "captive": {"min_steps": 120.3, "max_steps": 160.7},
    "odd bounds": {"cost": 0.7, "max_price": 19.9, "min_steps": 10.1, "max_steps": 77.7},
    "coefficients of each VMU": {
        "K": 3,
        "ssim": QuadraticSSIM(np.array([-1e-4, -2e-4, -3e-4]), np.array([0.06, 0.075, 0.09])),
    },
    "curves of each VMU": OWN_CURVES,
    "table": TABLE,
    "scaled rewards": {"scale_rewards": True, "satisfaction": [150.0, 260.0]},
    "discrete": {**TABLE, "continuous_actions": False},
    "normalised, scarce": {**TABLE, "normalize": True, "capacity": 200.0},
    "discrete, normalised": {**TABLE, "normalize": True, "continuous_actions": False},
    "all at once": {**TABLE, **SEVEN, "normalize": True, "scale_rewards": True, "capacity": 500.0},
    "live": {
        "ssim": Service(np.arange(25), 0.8 - 0.4 * np.exp(-np.arange(25) / 6)),
        "max_steps": 24,
        "satisfaction": [400.0, 650.0],
        "capacity": 15.0,
    },
}
DRAWN = {
    **{name: {"scenario": name} for name in ("hidden", "drift", "shift", "crowd", "capacity")},
    "everything": {"scenario": EVERYTHING},
    "everything, normalised": {"scenario": EVERYTHING, "normalize": True, "scale_rewards": True},
    "drift of a known market": {
        "scenario": aigc_market.Scenario("known", moves=[Drift()]),
        "satisfaction": [150.0, 250.0],
    },
    "function": {"satisfaction": lambda rng: rng.normal(200, 10, 2)},
    "curves of each VMU, drawn": {**OWN_CURVES, "satisfaction": aigc_market.Uniform(100, 300)},
}
ONE = STANDING | DRAWN

TYPES = {**SCENARIOS["hidden"].arguments, "K": 4}
CHANGING = aigc_market.Scenario("types", "quantal", TYPES, [Drift(), Shift(0.3)])
MENUS = {
    "paper": {},
    "one contract": {"K": 1, "contracts": 1, "history": 1},
    "seven VMUs": {**SEVEN, "contracts": 4, "history": 9},
    "forty VMUs": {**FORTY, "contracts": 12},
    "odd bounds": {"cost": 0.7, "max_steps": 77.7, "max_fee": 3333.3, "max_price": 19.9},
    "saturating": {"ssim": SaturatingSSIM(9.0, 40.0), "satisfaction": [150.0, 260.0]},
    "table": {"ssim": TABLE["ssim"], "max_steps": 256},
    "scaled rewards": {"scale_rewards": True, "satisfaction": [150.0, 260.0]},
    "discrete": {"continuous_actions": False, "max_steps": 99.5},
    "normalised": {"normalize": True, "satisfaction": [150.0, 260.0]},
    "discrete, normalised": {"normalize": True, "continuous_actions": False, **SEVEN},
    "hidden": {"scenario": "hidden"},
    "everything": {"scenario": CHANGING, "contracts": 2},
    "everything, normalised": {"scenario": CHANGING, "normalize": True, "scale_rewards": True},
}
"""Games of contracts; markets of those that are called as in `DRAWN` are drawn too."""


def actions_of(space, count, seed=0):
    space.seed(seed)
    return [reasonable(space, space.sample()) for _ in range(count)]


def reasonable(space, action):
    """The same, with fees so low that somebody may pay them where it is a menu."""
    if isinstance(space, gymnasium.spaces.Box) and action.shape[-1] > 1:
        share = np.float32(action.ravel()[0] % 0.37)
        action[..., 1::2] = space.low[..., 1::2] + share * (action - space.low)[..., 1::2]
    return action


def same_info(info, expected, **tolerances):
    assert set(info) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(info[name], value, **{"rtol": 0, "err_msg": name, **tolerances})


def of_lane(infos, lane):
    return {key: value[lane] for key, value in infos.items() if not key.startswith("_")}


# One leader: the single environment is the game by turns


def as_action(env, steps):
    """The action of a VMU that buys so many steps."""
    space = env.action_space("vmu_0")
    if isinstance(space, gymnasium.spaces.Discrete):
        return int(steps)
    if space.low[0] == -1.0:
        steps = 2 * steps / env.market.max_steps - 1
    return np.array([steps], np.float32)


def answers(env, info):
    """The actions of VMUs that did what is told."""
    if "taken" in info:
        return info["taken"].tolist()
    return [as_action(env, float(steps)) for steps in info["demand"]]


ON_GRID = ("discrete", "normalised, scarce", "discrete, normalised", "all at once")
"""There the actions name no purchases but those of rational VMUs."""


def eager(market, menu, rng):
    """Everybody takes the last contract."""
    taken = np.ones((*menu.shape[:-2], market.K), int)
    return taken * menu.shape[-2]


@pytest.mark.parametrize(
    ("one", "market", "followers"),
    [
        (pricing, market, followers)
        for market in ONE
        for followers in ("best_response", "noisy" if market in DRAWN else "random")
        if followers == "best_response" or market not in ON_GRID
    ]
    + [
        (menu, market, followers)
        for market in MENUS
        for followers in ("best_response", "quantal" if market in DRAWN else eager)
    ],
)
def test_the_single_environment_is_the_game_by_turns(one, market, followers):
    cases, make = (ONE, aigc_market.env) if one is pricing else (MENUS, menus_v0.env)
    arguments = {"max_cycles": ROUNDS, **cases[market]}
    inexact = one is pricing and market == "everything, normalised"
    close = {"rtol": 1e-4, "atol": 1e-2} if inexact else {"rtol": 0}
    single, turns = one(followers=followers, **arguments), make(**arguments)
    for seed in (3, 5):
        seen, _ = single.reset(seed=seed)
        turns.reset(seed=seed)
        for action in actions_of(single.action_space, ROUNDS, seed):
            np.testing.assert_allclose(seen, turns.observe("asp_0"), **close)
            same_market(single.market, turns.market)
            seen, reward, terminated, truncated, info = single.step(action)
            turns.step(action)
            for answer in answers(turns, info):
                turns.step(answer)
            same_info(info, turns.infos["asp_0"], **close)
            np.testing.assert_allclose(reward, turns.rewards["asp_0"], **close)
            assert terminated == turns.terminations["asp_0"] is False
            assert truncated == turns.truncations["asp_0"]
        np.testing.assert_allclose(seen, turns.observe("asp_0"), **close)
        assert truncated


def same_market(ours, theirs, lane=None):
    for name in ("satisfaction", "active", "capacity"):
        a, b = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_array_equal(a, b[lane] if lane is not None and np.ndim(b) else b)
    for a, b in zip(ours.ssim.parameters, theirs.ssim.parameters, strict=True):
        np.testing.assert_array_equal(a, b[lane] if lane is not None and np.ndim(b) else b)


@pytest.mark.parametrize(
    ("one", "market"), [(pricing, market) for market in ONE] + [(menu, market) for market in MENUS]
)
def test_regret_is_that_of_the_verifier_in_the_round_played(one, market):
    cases = ONE if one is pricing else MENUS
    env = one(max_cycles=ROUNDS, **{**cases[market], "scale_rewards": False})
    env.reset(seed=2)
    for action in actions_of(env.action_space, ROUNDS):
        market = env.market
        if one is pricing:
            best, told = aigc_market.solve(market), env.equilibrium
        else:
            best, told = menus.solve_menu(market, len(env.best_menu.menu)), env.best_menu
            np.testing.assert_array_equal(told.menu, best.menu)
        assert told.asp_utility == best.asp_utility
        info = env.step(action)[-1]
        if one is pricing:
            demand = aigc_market.best_response(market, info["price"])
            gap = aigc_market.regret(market, info["price"], demand)
        else:
            gap = menus.menu_regret(market, info["menu"].astype("f4"))
        assert info["regret"] == pytest.approx(gap.leader, rel=1e-4, abs=2e-3)
        assert info["equilibrium_utility"] == best.asp_utility


def test_regret_is_never_negative():
    """Single-precision purchases may pay a hair more than the equilibrium."""
    satisfaction = np.random.default_rng(0).uniform(100, 400, (40, 2))
    prices = aigc_market.solve(aigc_market.Market(satisfaction=satisfaction)).price
    lanes = pricing_lanes(40)
    lanes.reset(options={"satisfaction": satisfaction})
    regrets = [*lanes.step(prices[:, None].astype("f4"))[-1]["regret"]]
    env = pricing()
    for row, price in zip(satisfaction, prices, strict=True):
        env.reset(options={"satisfaction": row})
        regrets.append(env.step(np.array([price], "f4"))[-1]["regret"])
    assert np.min(regrets) == 0.0
    assert np.max(regrets) < 1e-3


def test_regret_is_against_rational_followers_whatever_these_ones_did():
    infos = []
    for choices in ((11.0, 60.0, 60.0), (11.0, 240.0, 10.0)):
        env = aigc_market.env()
        env.reset(seed=0)
        act(env, *choices)
        infos.append(env.infos["asp_0"])
    assert infos[0]["regret"] == infos[1]["regret"] > 0
    assert infos[0]["utility"] != infos[1]["utility"]


# Several providers: the game by turns is that of the rules

THREE = {"M": 3, "K": 4, "cost": [1.0, 1.5, 2.0], "capacity": [90.0, 100.0, 500.0]}
MOVING = aigc_market.Scenario(
    "moving", arguments=SCENARIOS["hidden"].arguments, moves=[Drift(), Shift(0.3), Road()]
)
SEVERAL = {
    "one": {"M": 1, "K": 1},
    "two": {},
    "three": THREE,
    "normal": {"normalize": True, "scale_rewards": True},
    "discrete": {"continuous_actions": False},
    "outside": {"outside": 0.0, "normalize": True},
    "road": {"scenario": "road"},
    "hidden": {"scenario": "hidden", "normalize": True},
    "all that moves": {"scenario": MOVING, "M": 3, "judged": False},
    "many": {"M": 3, "K": 20, "ssim": [None, None, QuadraticSSIM(-1e-4, 0.07)]},
}


def samples(env, seed):
    """Actions of all agents for every round."""
    for i, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(seed + i)
    spaces = {agent: env.action_space(agent) for agent in env.possible_agents}
    return [
        {a: s.sample() if "vmu" in a else reasonable(s, s.sample()) for a, s in spaces.items()}
        for _ in range(ROUNDS)
    ]


def meaning(env, actions, arguments):
    """Prices, shares and steps of a round, by the words of the page."""
    market, prices, shares, steps = env.market, [], [], []
    continuous = arguments.get("continuous_actions", True)
    normal = arguments.get("normalize", False)
    for m in range(market.M):
        action, low, high = actions[f"asp_{m}"], market.cost[m], market.max_price[m]
        if not continuous:
            price = np.linspace(low, high, 96)[action]
        elif normal:
            price = low + (float(action[0]) + 1) / 2 * (high - low)
        else:
            price = action[0]
        prices.append(min(max(float(np.float32(price)), low), high))
    W = market.M + (market.outside is not None)
    for k in range(market.K):
        action = actions[f"vmu_{k}"].astype(float)
        weights, bought = action[:W], action[W:]
        if not continuous:
            weights = weights / 10
        elif normal:
            weights = ((weights + 1) / 2).astype("f4").astype(float)
            bought = ((bought + 1) / 2 * market.max_steps).astype("f4").astype(float)
        total = weights.sum()
        shares.append(weights[: market.M] / total if total else np.full(market.M, 1 / W))
        steps.append(bought)
    return np.array(prices), np.array(shares).T, np.array(steps).T


@pytest.mark.parametrize("name", SEVERAL)
def test_the_game_of_several_by_turns_is_settled_by_the_rules(name):
    arguments = {**SEVERAL[name], "max_cycles": ROUNDS}
    env = competition_v0.env(**arguments)
    env.reset(seed=3)
    M, K, judged = env.market.M, env.market.K, arguments.get("judged", True)
    for t, actions in enumerate(samples(env, 5)):
        market = env.market
        prices, shares, steps = meaning(env, actions, arguments)
        for agent in env.possible_agents:
            assert env.agent_selection == agent
            env.step(actions[agent])
        settled = competition.settle(market, prices, shares, steps)
        rational = competition.respond(market, prices).vmu_utility
        scales = np.ones(M + K)
        if judged:
            nash, cartel = competition.nash(market), competition.cartel(market)
            gain = competition.profit_gain(market, settled.asp_utility, nash, cartel).each
            if arguments.get("scale_rewards"):
                scales = np.append(nash.asp_utility, np.full(K, 200 * (0.075**2) / 4 / 0.000174))
        paid = np.append(settled.asp_utility, settled.vmu_utility()) / scales
        np.testing.assert_allclose(list(env.rewards.values()), paid, rtol=1e-6)
        for m in range(M):
            info = env.infos[f"asp_{m}"]
            assert (info["round"], info["price"]) == (t + 1, pytest.approx(prices[m], rel=1e-6))
            np.testing.assert_allclose(info["sold"], settled.sold[m], rtol=1e-6)
            np.testing.assert_allclose(info["demand"], settled.demand[m], rtol=1e-6)
            np.testing.assert_allclose(info["utility"], settled.asp_utility[m], rtol=1e-6)
            if judged:
                assert nash.converged
                for key, value in (
                    ("cartel_utility", cartel.asp_utility[m]),
                    ("cartel_price", cartel.prices[m]),
                    ("nash_price", nash.prices[m]),
                    ("nash_utility", nash.asp_utility[m]),
                    ("profit_gain", gain[m]),
                ):
                    np.testing.assert_allclose(info[key], value, rtol=1e-6, err_msg=key)
        for k in range(K):
            info = env.infos[f"vmu_{k}"]
            np.testing.assert_allclose(info["shares"], shares[:, k], rtol=1e-6)
            np.testing.assert_allclose(info["steps"], settled.delivered[:, k], rtol=1e-6)
            np.testing.assert_allclose(info["utility"], settled.vmu_utility()[k], rtol=1e-6)
            if judged:
                forgone = rational[k] - settled.wished_utility()[k]
                np.testing.assert_allclose(info["regret"], forgone, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        *(("paper", 0.3), ("seven VMUs", 0.0), ("forty, scarce", 1.0), ("odd bounds", 0.3)),
        *(("normalised, scarce", 0.0), ("normalised, scarce", 0.3)),
    ],
)
def test_one_provider_alone_plays_the_game_of_one(name, weight):
    """Whatever weights VMUs give it."""
    arguments = {**STANDING[name], "max_cycles": ROUNDS}
    several, one = competition_v0.env(M=1, **arguments), aigc_market.env(**arguments)
    for env in (several, one):
        env.reset(seed=0)
    for actions in samples(one, 3):
        for agent in one.possible_agents:
            action = actions[agent]
            one.step(action)
            several.step(action if agent == "asp_0" else np.append(np.float32(weight), action))
        assert several.rewards == one.rewards
        for key in ("utility", "demand"):
            np.testing.assert_array_equal(several.infos["asp_0"][key], one.infos["asp_0"][key])
        for k in range(one.market.K):
            assert several.infos[f"vmu_{k}"]["utility"] == one.infos[f"vmu_{k}"]["surplus"]
    best = one.equilibrium
    np.testing.assert_allclose(several.nash.prices[0], best.price, rtol=1e-6)
    for found in (several.nash, several.cartel):
        np.testing.assert_allclose(found.asp_utility[0], best.asp_utility, rtol=1e-6)


# All games at once are those by turns, one price or menu ahead

AT_ONCE = [("aec", name, arguments) for name, arguments in ONE.items()]
AT_ONCE += [("aec of several", name, arguments) for name, arguments in SEVERAL.items()]
AT_ONCE += [("aec of menus", name, arguments) for name, arguments in MENUS.items()]


def units(env, view, arguments):
    """Of what leaders post, where it is seen."""
    if env.state_space.high.max() > 1.0001:
        return 1.0
    if view == "aec of menus":
        plain = {**arguments, "normalize": False, "continuous_actions": True}
        return menus_v0.env(**plain).action_space("asp_0").high
    return np.max(env.market.max_price)


@pytest.mark.parametrize(
    ("view", "arguments"),
    [pytest.param(view, arguments, id=f"{view}, {name}") for view, name, arguments in AT_ONCE],
)
def test_the_parallel_game_is_that_by_turns_one_price_ahead(view, arguments):
    arguments = {**arguments, "max_cycles": ROUNDS}
    turns, at_once = (VIEWS[v].make(**arguments) for v in (view, view.replace("aec", "parallel")))
    agents = turns.possible_agents
    leaders = [agent for agent in agents if agent.startswith("asp")]
    turns.reset(seed=4)
    actions, told = samples(turns, 7), []
    for of_round in actions:
        before = {agent: turns.observe(agent) for agent in leaders}
        for agent in leaders:
            turns.step(of_round[agent])
        before |= {agent: turns.observe(agent) for agent in agents[len(leaders) :]}
        state = turns.state()
        for agent in agents[len(leaders) :]:
            turns.step(of_round[agent])
        told.append((before, state, turns.rewards, turns.truncations, turns.infos))

    post = "menu" if view == "aec of menus" else "price"
    prices = [[infos[agent][post] for agent in leaders] for *_, infos in told]
    first = {post: prices[0] if view == "aec of several" else prices[0][0]}
    seen, _ = at_once.reset(seed=4, options=first)
    for t, (before, state, rewards, truncations, infos) in enumerate(told):
        for m, leader in enumerate(leaders):
            in_force = np.roll(np.ravel(prices[t]), -m) / units(at_once, view, arguments)
            own, many = len(before[leader]), len(in_force)
            front = next(
                at
                for at in range(own)
                if np.array_equal(np.delete(seen[leader], slice(at, at + many)), before[leader])
            )
            np.testing.assert_allclose(seen[leader][front : front + many], in_force, 1e-6)
        for agent in agents[len(leaders) :]:
            np.testing.assert_array_equal(seen[agent], before[agent])
        np.testing.assert_array_equal(at_once.state(), state)
        following = actions[min(t + 1, ROUNDS - 1)]
        mixed = {a: (following if a in leaders else actions[t])[a] for a in agents}
        seen, paid, _, over, told_infos = at_once.step(mixed)
        assert (paid, over) == (rewards, truncations)
        same(told_infos, infos)
    assert at_once.agents == []


def test_the_first_parallel_price_is_drawn_from_the_seed():
    env = aigc_market.parallel_env()
    first = [env.reset(seed=seed)[0]["asp_0"][0] for seed in (1, 2, 1)]
    assert first[0] == first[2] != first[1]
    many = [env.reset()[0]["asp_0"][0] for _ in range(300)]
    assert 1.0 <= min(many) < 3.0
    assert 18.0 < max(many) <= 20.0


@pytest.mark.parametrize(
    ("game", "arguments"),
    [
        pytest.param(competition_v0, {"followers": "best_response"}, id="best_response"),
        pytest.param(competition_v0, {"scenario": "calvano"}, id="calvano"),
        pytest.param(competition_v0, {"scenario": "road", "followers": "best_response"}, id="road"),
        pytest.param(
            competition_v0, {"followers": "noisy", "M": 3, "capacity": 100.0}, id="three, noisy"
        ),
        pytest.param(competition_v0, {"followers": "random", "outside": 1.0}, id="outside, random"),
        pytest.param(competition_v0, {"followers": "noisy", "K": 30}, id="many, noisy"),
        pytest.param(menus_v0, {"followers": "quantal", "scenario": CHANGING}, id="menus, quantal"),
        pytest.param(menus_v0, {"followers": eager, "scenario": CHANGING}, id="menus, eager"),
        pytest.param(
            menus_v0, {"followers": "best_response", **MENUS["seven VMUs"]}, id="menus, seven VMUs"
        ),
    ],
)
def test_with_scripted_vmus_providers_play_alone_and_are_answered_at_once(game, arguments):
    arguments = {**arguments, "max_cycles": ROUNDS}
    turns, at_once = game.env(**arguments), game.parallel_env(**arguments)
    turns.reset(seed=3)
    seen, _ = at_once.reset(seed=3)
    agents = [f"asp_{m}" for m in range(getattr(turns.market, "M", 1))]
    assert turns.possible_agents == at_once.possible_agents == agents
    for actions in samples(turns, 7):
        market = turns.market
        for agent in agents:
            np.testing.assert_array_equal(seen[agent], turns.observe(agent))
        for agent in agents:
            turns.step(actions[agent])
        seen, rewards, _, truncations, infos = at_once.step(actions)
        assert (rewards, truncations) == (turns.rewards, turns.truncations)
        same(infos, turns.infos)
        if arguments.get("followers") == "best_response" and game is competition_v0:
            prices = [infos[agent]["price"] for agent in agents]
            answer = competition.respond(market, prices)
            settled = competition.settle(market, prices, answer.shares, answer.steps)
            np.testing.assert_allclose(list(rewards.values()), settled.asp_utility, rtol=1e-9)


# Batches are single environments side by side

RIVALS = {
    "duopoly": {},
    "calvano": {"scenario": "calvano"},
    "road": {"scenario": "road"},
    "hidden": {"scenario": "hidden"},
    "one provider": {"M": 1},
    "three, last seat": {"M": 3, "K": 5, "cost": [1.0, 1.5, 2.0], "seat": 2},
    "scarce": {"M": 3, "capacity": [50.0, 80.0, 500.0], "seat": 1, "rivals": "cartel"},
    "curves of each VMU": OWN_CURVES,
    "normalised": {"normalize": True, "scale_rewards": True},
    "discrete": {"continuous_actions": False, "price_grid": [2.0, 4.0, 8.0]},
    "tit for tat": {"rivals": "tit_for_tat", "M": 3},
    "mixed": {"rivals": ["cartel", lambda market, *_: market.cost[..., 2] * 3], "M": 3},
}
SIDE_BY_SIDE = [(pricing, pricing_lanes, name, ONE[name]) for name in ONE]
SIDE_BY_SIDE += [(rival, rival_lanes, name, RIVALS[name]) for name in RIVALS]
SIDE_BY_SIDE += [(menu, menu_lanes, name, MENUS[name]) for name in MENUS]
SIDE_BY_SIDE += [(menu, menu_lanes, "eager", {"followers": eager, **FORTY})]


@pytest.mark.parametrize(
    ("one", "many", "name", "arguments"),
    [pytest.param(*case, id=f"{case[0].__name__}, {case[2]}") for case in SIDE_BY_SIDE],
)
def test_each_of_a_batch_is_the_single_environment(one, many, name, arguments):
    arguments = {"max_cycles": ROUNDS - 1, **arguments}
    # Games whose markets are drawn share a generator: one of them draws what a single one does.
    count = 1 if name in DRAWN or name == "road" else 3
    lanes = many(count, autoreset_mode="SameStep", **arguments)
    singles = [one(**arguments) for _ in range(count)]
    seen, _ = lanes.reset(seed=9)
    for single, expected in zip(singles, seen, strict=True):
        np.testing.assert_allclose(single.reset(seed=9)[0], expected, rtol=1e-6)
    exact = {"rtol": 1e-6, "atol": 1e-9}
    lanes.action_space.seed(0)
    for t in range(2 * (ROUNDS - 1) + 1):
        actions = reasonable(lanes.action_space, lanes.action_space.sample())
        seen, rewards, terminations, truncations, infos = lanes.step(actions)
        assert not terminations.any()
        assert truncations.all() == ((t + 1) % (ROUNDS - 1) == 0)
        for i, single in enumerate(singles):
            own, reward, _, over, info = single.step(actions[i])
            assert over == truncations[i]
            if over:
                np.testing.assert_allclose(infos["final_obs"][i], own, **exact)
                own, _ = single.reset()
            np.testing.assert_allclose(seen[i], own, **exact)
            np.testing.assert_allclose(rewards[i], reward, **exact)
            same_info(of_lane(infos.get("final_info", infos), i), info, **exact)


OPTIONS = {
    "satisfaction": np.array([[200.0, 90.0], [50.0, 390.0], [330.0, 330.0]]),
    "cost": np.array([1.0, 2.5, 7.3]),
    "max_price": np.array([20.0, 9.9, 12.0]),
    "min_steps": np.array([10.0, 60.5, 120.0]),
    "max_steps": np.array([250.0, 130.0, 160.0]),
    "capacity": np.array([70.0, 155.0, 1000.0]),
}


OF_MENUS = ["satisfaction", "cost", "max_price", "max_steps"]


@pytest.mark.parametrize(
    ("one", "many", "names", "units"),
    [
        *((pricing, pricing_lanes, [name], {}) for name in OPTIONS),
        (pricing, pricing_lanes, [*OPTIONS], {"normalize": True, "scale_rewards": True}),
        *((menu, menu_lanes, [name], {}) for name in OF_MENUS),
        (menu, menu_lanes, OF_MENUS, {"normalize": True, "scale_rewards": True}),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_options_may_differ_from_game_to_game(one, many, names, units):
    arguments = {"max_cycles": ROUNDS, **units, **({} if one is pricing else {"max_fee": 4e3})}
    lanes = many(3, autoreset_mode="SameStep", **arguments)
    singles = [one(**arguments) for _ in range(3)]
    observations, _ = lanes.reset(options={name: OPTIONS[name] for name in names})
    for lane, single in enumerate(singles):
        options = {name: OPTIONS[name][lane] for name in names}
        np.testing.assert_array_equal(observations[lane], single.reset(options=options)[0])
    lanes.action_space.seed(0)
    for _ in range(ROUNDS + 2):  # the options hold for one episode alone
        actions = reasonable(lanes.action_space, lanes.action_space.sample())
        observations, rewards, *_, infos = lanes.step(actions)
        infos = infos.get("final_info", infos)
        for lane, single in enumerate(singles):
            seen, reward, _, truncated, info = single.step(actions[lane])
            same_info(of_lane(infos, lane), info)
            assert rewards[lane] == reward
            if truncated:
                seen, _ = single.reset()
            np.testing.assert_array_equal(observations[lane], seen)


@pytest.mark.parametrize(
    "name", ["duopoly", "calvano", "road", "hidden", "one provider", "three, last seat", "scarce"]
)
def test_one_among_rivals_plays_the_parallel_game_of_providers_alone(name):
    scripted = {"continuous_actions": True, "followers": "best_response"}
    arguments = {"max_cycles": 2, **RIVALS[name], **scripted}
    env = rival(**arguments)
    seat = arguments.pop("seat", 0)
    arguments.pop("rivals", None)
    parallel = competition_v0.parallel_env(**arguments)
    agents = parallel.possible_agents
    mine, others = agents[seat], [*agents[seat + 1 :], *agents[:seat]]
    for episode in range(2):
        expected, _ = parallel.reset(seed=episode)
        np.testing.assert_array_equal(env.reset(seed=episode)[0], expected[mine])
        for action in actions_of(env.action_space, 2, episode):
            seen, reward, *_, info = env.step(action)
            posted = dict(zip(others, info.pop("rival_prices")[:, None], strict=True))
            expected, rewards, *_, infos = parallel.step({mine: action, **posted})
            np.testing.assert_allclose(seen, expected[mine], rtol=1e-6)
            assert reward == pytest.approx(rewards[mine], rel=1e-9)
            same_info(info, infos[mine], rtol=1e-6, atol=1e-9)


IDS = {"Pricing-v0": (pricing, pricing_lanes), "Rival-v0": (rival, rival_lanes)}
IDS |= {"Menu-v0": (menu, menu_lanes)}


@pytest.mark.parametrize("name", IDS)
def test_the_ids_are_in_a_learners_units_by_default(name):
    one, many = IDS[name]
    units = {"normalize": True, "scale_rewards": True, "max_cycles": 3}
    made = gymnasium.make(f"aigc_market/{name}", max_cycles=3)
    lanes = gymnasium.make_vec(f"aigc_market/{name}", num_envs=2, max_cycles=3)
    assert made.action_space == gymnasium.spaces.Box(-1.0, 1.0, made.action_space.shape, np.float32)
    assert made.observation_space.high.max() == 1.0
    assert made.observation_space.low.min() >= 0.0
    action = np.full(made.action_space.shape, -0.94, "f4")
    for env, ours, given in ((made, one(**units), action), (lanes, many(2, **units), [action] * 2)):
        assert env.action_space == ours.action_space
        same(env.reset(seed=0)[0], ours.reset(seed=0)[0])
        seen, reward, *_ = env.step(np.array(given))
        same([seen, reward], ours.step(np.array(given))[:2])
        assert np.all(reward > 0.0)
        assert np.all(reward < 10.0)


# Rewards


def paid(choices, **arguments):
    env = aigc_market.env(**arguments)
    env.reset(seed=0)
    act(env, *choices)
    return env.rewards


@pytest.mark.parametrize("capacity", [None, 100.0])
def test_utility_and_surplus_differ_by_a_constant(capacity):
    arguments = {"satisfaction": [150.0, 260.0], "capacity": capacity}
    utility = paid([9.0, 70.0, 130.0], vmu_reward="utility", **arguments)
    surplus = paid([9.0, 70.0, 130.0], vmu_reward="surplus", **arguments)
    assert utility["asp_0"] == surplus["asp_0"]
    for vmu, delta in (("vmu_0", 150.0), ("vmu_1", 260.0)):
        assert utility[vmu] - surplus[vmu] == pytest.approx(delta * 4891.89, rel=1e-9)


def test_where_nothing_can_be_earned_scaling_leaves_rewards_alone():
    assert paid([20.0, 10.0, 10.0], cost=20.0, scale_rewards=True)["asp_0"] == 0.0
    env = pricing(cost=20.0, scale_rewards=True)
    env.reset(seed=0)
    assert env.step(np.array([20.0], "f4"))[1] == 0.0


def test_scaled_follower_rewards_are_shares_of_the_best_image():
    plain = paid([9.0, 70.0, 130.0], satisfaction=[150.0, 260.0])
    scaled = paid([9.0, 70.0, 130.0], satisfaction=[150.0, 260.0], scale_rewards=True)
    gain = 0.075**2 / (4 * 0.000174)  # of SSIM at its vertex, which lies within the bounds
    assert scaled["vmu_0"] == pytest.approx(plain["vmu_0"] / (150.0 * gain))
    assert scaled["vmu_1"] == pytest.approx(plain["vmu_1"] / (260.0 * gain))
