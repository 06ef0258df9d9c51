"""All views play exactly the same game: compared with ==, without a tolerance."""

import gymnasium
import numpy as np
import pytest

import aigc_market
from aigc_market.envs import observation
from aigc_market.envs.competition.single import RivalEnv
from aigc_market.envs.competition.vector import RivalVectorEnv
from aigc_market.envs.single import PricingEnv
from aigc_market.envs.vector import PricingVectorEnv
from aigc_market.ssim import QuadraticSSIM, TabulatedSSIM

ROUNDS, EPISODES, LANES = 4, 3, 5

# Purchases from this table are whole, and halves, quarters, … of the range: discrete and
# normalised actions express them exactly.
TABLE = TabulatedSSIM([0, 64, 128, 192, 256], [0, 3.2, 5.4, 5.2, 6.8])
TABLE_MARKET = {"ssim": TABLE, "min_steps": 0, "max_steps": 256}
OWN_COEFFICIENTS = QuadraticSSIM(np.array([-1e-4, -2e-4, -3e-4]), np.array([0.06, 0.075, 0.09]))

MARKETS = {
    "paper": {},
    "one VMU": {"K": 1},
    "seven VMUs": {"K": 7, "satisfaction": [50, 90, 150, 200, 300, 500, 800], "min_steps": 0},
    "forty VMUs": {"K": 40, "satisfaction": np.linspace(60, 700, 40)},
    "scarce": {"satisfaction": [150.0, 260.0], "capacity": 90.5},
    "forty, scarce": {"K": 40, "satisfaction": np.linspace(60, 700, 40), "capacity": 1234.5},
    "captive": {"min_steps": 120.3, "max_steps": 160.7},
    "odd bounds": {"cost": 0.7, "max_price": 19.9, "min_steps": 10.1, "max_steps": 77.7},
    "coefficients of each VMU": {"K": 3, "ssim": OWN_COEFFICIENTS},
    "table": TABLE_MARKET,
    "table, scarce": {**TABLE_MARKET, "capacity": 200.0},
    "scaled rewards": {"scale_rewards": True, "satisfaction": [150.0, 260.0]},
    "short history": {"history": 1},
    "long history": {"history": 9},
    "discrete": {**TABLE_MARKET, "continuous_actions": False},
    "normalised": {**TABLE_MARKET, "normalize": True},
    "normalised, scarce": {**TABLE_MARKET, "normalize": True, "capacity": 200.0},
    "discrete, normalised": {**TABLE_MARKET, "normalize": True, "continuous_actions": False},
    "all at once": {
        **TABLE_MARKET,
        "K": 7,
        "satisfaction": [50, 90, 150, 200, 300, 500, 800],
        "normalize": True,
        "scale_rewards": True,
        "capacity": 500.0,
    },
}
every_market = pytest.mark.parametrize("arguments", MARKETS.values(), ids=MARKETS)

# For these the AEC game's followers cannot name their best response exactly, but the leader's
# views can still be compared with each other.
LEADER_MARKETS = {
    **MARKETS,
    "paper, discrete": {"continuous_actions": False},
    "paper, normalised": {"normalize": True},
    "forty, normalised": {"K": 40, "satisfaction": np.linspace(60, 700, 40), "normalize": True},
}


def leader_actions(env, count, seed=0):
    space = env.action_space("asp_0") if hasattr(env, "possible_agents") else env.action_space
    space.seed(seed)
    return [space.sample() for _ in range(count)]


def as_action(env, steps):
    """The action of a follower that buys these steps."""
    market, settings = env.market, env.settings
    if not settings.continuous_actions:
        return int(steps - np.ceil(market.min_steps))
    if settings.normalize:
        low, high = settings.market.min_steps, settings.market.max_steps
        steps = 2 * (steps - low) / (high - low) - 1
    return np.array([steps], np.float32)


def posted_price(env, action):
    """What the leader's action means (DESIGN.md: single-precision numbers in every view)."""
    market, settings = env.settings.market, env.settings
    low, high = market.cost, market.max_price
    if not settings.continuous_actions:
        price = np.linspace(low, high, 96)[action]
    elif settings.normalize:
        low, high = float(np.float32(low)), float(np.float32(high))
        price = low + 0.5 * (float(action[0]) + 1) * (high - low)
    else:
        price = action[0]
    price = float(np.float32(price))
    low, high = (float(np.float32(b)) for b in (env.market.cost, env.market.max_price))
    return min(max(price, low), high)


def aec_round(env, action):
    """One round of the AEC game with rational followers: observation, reward, info."""
    env.step(action)
    bought = aigc_market.best_response(env.market, posted_price(env, action))
    for steps in bought.astype(np.float32):
        env.step(as_action(env, steps.item()))
    return env.observe("asp_0"), env.rewards["asp_0"], env.infos["asp_0"]


def same_round(theirs, observation, reward, info):
    np.testing.assert_array_equal(observation, theirs[0])
    assert observation.dtype == theirs[0].dtype
    assert reward == theirs[1]
    same_info(info, theirs[2])


def same_info(info, expected):
    assert set(info) == set(expected)
    for key, value in expected.items():
        np.testing.assert_array_equal(info[key], value, err_msg=key)


def of_lane(infos, lane):
    return {key: value[lane] for key, value in infos.items() if not key.startswith("_")}


@every_market
def test_the_single_environment_is_the_aec_game(arguments):
    aec = aigc_market.env(max_cycles=ROUNDS, **arguments)
    single = PricingEnv(max_cycles=ROUNDS, **arguments)
    for episode in range(EPISODES):
        aec.reset()
        start, _ = single.reset()
        np.testing.assert_array_equal(start, aec.observe("asp_0"))
        for action in leader_actions(single, ROUNDS, seed=episode):
            played = aec_round(aec, action)
            observation, reward, terminated, truncated, info = single.step(action)
            same_round(played, observation, reward, info)
            assert terminated == aec.terminations["asp_0"] is False
            assert truncated == aec.truncations["asp_0"]
        assert truncated


@pytest.mark.parametrize("arguments", LEADER_MARKETS.values(), ids=LEADER_MARKETS)
def test_each_lane_is_the_single_environment(arguments):
    lanes = PricingVectorEnv(
        num_envs=LANES, max_cycles=ROUNDS, autoreset_mode="SameStep", **arguments
    )
    singles = [PricingEnv(max_cycles=ROUNDS, **arguments) for _ in range(LANES)]
    observations, _ = lanes.reset()
    for single, seen in zip(singles, observations, strict=True):
        np.testing.assert_array_equal(seen, single.reset()[0])
    for step in range(EPISODES * ROUNDS):
        actions = np.array(leader_actions(singles[0], LANES, seed=step))
        observations, rewards, terminations, truncations, infos = lanes.step(actions)
        for lane, single in enumerate(singles):
            seen, reward, terminated, truncated, info = single.step(actions[lane])
            assert rewards[lane] == reward
            assert (terminations[lane], truncations[lane]) == (terminated, truncated)
            if truncated:
                np.testing.assert_array_equal(infos["final_obs"][lane], seen)
                same_info(of_lane(infos["final_info"], lane), info)
                seen, info = single.reset()
            np.testing.assert_array_equal(observations[lane], seen)
            if info:
                same_info(of_lane(infos, lane), info)


OPTIONS = {
    "satisfaction": np.array([[200.0, 90.0], [50.0, 390.0], [330.0, 330.0]]),
    "cost": np.array([1.0, 2.5, 7.3]),
    "max_price": np.array([20.0, 9.9, 12.0]),
    "min_steps": np.array([10.0, 60.5, 120.0]),
    "max_steps": np.array([250.0, 130.0, 160.0]),
    "capacity": np.array([70.0, 155.0, 1000.0]),
}


@pytest.mark.parametrize(
    "names",
    [
        *[[name] for name in OPTIONS],
        ["satisfaction", "cost"],
        ["satisfaction", "max_price", "min_steps", "max_steps"],
    ],
    ids="+".join,
)
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("scale_rewards", [False, True])
def test_options_may_differ_from_lane_to_lane(names, normalize, scale_rewards):
    arguments = {"max_cycles": ROUNDS, "normalize": normalize, "scale_rewards": scale_rewards}
    lanes = PricingVectorEnv(num_envs=3, autoreset_mode="SameStep", **arguments)
    singles = [PricingEnv(**arguments) for _ in range(3)]
    observations, _ = lanes.reset(options={name: OPTIONS[name] for name in names})
    for lane, single in enumerate(singles):
        options = {name: OPTIONS[name][lane] for name in names}
        np.testing.assert_array_equal(observations[lane], single.reset(options=options)[0])
    for step in range(ROUNDS + 2):  # the options hold for one episode alone
        actions = np.array(leader_actions(singles[0], 3, seed=step))
        observations, rewards, *_, infos = lanes.step(actions)
        infos = infos.get("final_info", infos)
        for lane, single in enumerate(singles):
            seen, reward, _, truncated, info = single.step(actions[lane])
            same_info(of_lane(infos, lane), info)
            assert rewards[lane] == reward
            if truncated:
                seen, _ = single.reset()
            np.testing.assert_array_equal(observations[lane], seen)


@pytest.mark.parametrize("name", OPTIONS)
def test_options_mean_the_same_in_the_aec_game(name):
    options = {name: OPTIONS[name][1]}
    aec, single = aigc_market.env(max_cycles=ROUNDS), PricingEnv(max_cycles=ROUNDS)
    aec.reset(options=options)
    np.testing.assert_array_equal(single.reset(options=options)[0], aec.observe("asp_0"))
    for action in leader_actions(single, ROUNDS):
        played = aec_round(aec, action)
        observation, reward, _, _, info = single.step(action)
        same_round(played, observation, reward, info)


DRAWN = {
    "uniform": aigc_market.Uniform(100, 300),
    "log-uniform": aigc_market.LogUniform(50, 800),
    "function": lambda rng: rng.normal(200, 10, 2),
    "one number": lambda rng: float(rng.integers(100, 300)),
}
every_drawn = pytest.mark.parametrize("satisfaction", DRAWN.values(), ids=DRAWN)


@every_drawn
def test_drawn_markets_are_the_same_from_the_same_seed(satisfaction):
    arguments = {"satisfaction": satisfaction, "max_cycles": ROUNDS}
    aec, single = aigc_market.env(**arguments), PricingEnv(**arguments)
    for seed in (5, None, None, 6):
        aec.reset(seed=seed)
        single.reset(seed=seed)
        np.testing.assert_array_equal(single.market.satisfaction, aec.market.satisfaction)
        for action in leader_actions(single, ROUNDS):
            played = aec_round(aec, action)
            observation, reward, _, _, info = single.step(action)
            same_round(played, observation, reward, info)


@every_drawn
def test_one_lane_is_the_single_environment_across_autoresets(satisfaction):
    arguments = {"satisfaction": satisfaction, "max_cycles": ROUNDS}
    lane, single = (
        PricingVectorEnv(num_envs=1, autoreset_mode="SameStep", **arguments),
        PricingEnv(**arguments),
    )
    lane.reset(seed=9)
    single.reset(seed=9)
    markets = set()
    for step in range(EPISODES * ROUNDS):
        (action,) = leader_actions(single, 1, seed=step)
        observations, rewards, _, _, infos = lane.step(action[None])
        seen, reward, _, truncated, info = single.step(action)
        assert rewards[0] == reward
        same_info(of_lane(infos.get("final_info", infos), 0), info)
        if truncated:
            markets.add(single.market.satisfaction.tobytes())
            seen, _ = single.reset()
        np.testing.assert_array_equal(observations[0], seen)
        np.testing.assert_array_equal(lane.market.satisfaction[0], single.market.satisfaction)
    assert len(markets) == EPISODES


@pytest.mark.parametrize("arguments", MARKETS.values(), ids=MARKETS)
def test_the_parallel_game_is_the_aec_game_one_price_ahead(arguments):
    aec = aigc_market.env(max_cycles=ROUNDS, **arguments)
    parallel = aigc_market.parallel_env(max_cycles=ROUNDS, **arguments)
    vmus = aec.possible_agents[1:]
    own = int(aec.settings.rationed)  # R stands in front
    prices = leader_actions(aec, ROUNDS + 1)
    for k, vmu in enumerate(vmus):
        aec.action_space(vmu).seed(k)

    aec.reset()
    parallel_seen, _ = parallel.reset(options={"price": posted_price(aec, prices[0])})
    for t in range(ROUNDS):
        before = aec.observe("asp_0")
        aec.step(prices[t])
        seen = np.split(parallel_seen["asp_0"], [own, own + 1])
        np.testing.assert_array_equal(np.concatenate([seen[0], seen[2]]), before)
        assert seen[1] == aec.observe("vmu_0")[1]
        for vmu in vmus:
            np.testing.assert_array_equal(parallel_seen[vmu], aec.observe(vmu))
        np.testing.assert_array_equal(parallel.state(), aec.state())
        purchases = {vmu: aec.action_space(vmu).sample() for vmu in vmus}
        for vmu in vmus:
            aec.step(purchases[vmu])
        actions = {"asp_0": prices[t + 1], **purchases}
        parallel_seen, rewards, terminations, truncations, infos = parallel.step(actions)
        assert rewards == aec.rewards
        assert (terminations, truncations) == (aec.terminations, aec.truncations)
        for agent in aec.possible_agents:
            same_info(infos[agent], aec.infos[agent])
    assert parallel.agents == []


def test_the_first_parallel_price_is_drawn_from_the_seed():
    env = aigc_market.parallel_env()
    first = [env.reset(seed=seed)[0]["asp_0"][0] for seed in (1, 2, 1)]
    assert first[0] == first[2] != first[1]
    many = [env.reset()[0]["asp_0"][0] for _ in range(300)]
    assert 1.0 <= min(many) < 3.0
    assert 18.0 < max(many) <= 20.0


@pytest.fixture(params=["whole chunk", "rolling chunk"])
def chunk(request, monkeypatch):
    """Memory for the history that is large, or so small that it is left behind all the time."""
    if request.param == "rolling chunk":
        monkeypatch.setattr(observation, "_MAX_CHUNK_BYTES", 1)
    return request.param


def aec_observations(env):
    """Of all agents and the state, over three episodes."""
    for episode in range(3):
        env.reset(seed=episode)
        while not env.truncations["asp_0"]:
            agent = env.agent_selection
            yield env.observe(agent)
            yield env.state()
            env.step(env.action_space(agent).low)
        yield from (env.observe(agent) for agent in env.agents)


def parallel_observations(env):
    for episode in range(3):
        yield from env.reset(seed=episode)[0].values()
        while env.agents:
            seen, *_ = env.step({agent: env.action_space(agent).high for agent in env.agents})
            yield from seen.values()
            yield env.state()


def single_observations(env):
    env.action_space.seed(0)
    for episode in range(3):
        yield env.reset(seed=episode)[0]
        for _ in range(env.max_cycles):
            yield env.step(env.action_space.sample())[0]


def vector_observations(env):
    env.action_space.seed(0)
    yield env.reset(seed=0)[0]
    for _ in range(3 * env.max_cycles + 5):
        seen, *_, infos = env.step(env.action_space.sample())
        yield seen
        if "final_obs" in infos:
            yield infos["final_obs"]
        yield infos.get("final_info", infos)["demand"]


OBSERVERS = {
    "aec": (aigc_market.env, aec_observations),
    "parallel": (aigc_market.parallel_env, parallel_observations),
    "single": (PricingEnv, single_observations),
    "vector": (
        lambda **kw: PricingVectorEnv(num_envs=3, autoreset_mode="SameStep", **kw),
        vector_observations,
    ),
}


@pytest.mark.parametrize(("view", "observe"), OBSERVERS.values(), ids=OBSERVERS)
@pytest.mark.parametrize("history", [1, 5])
def test_what_has_been_handed_out_never_changes(view, observe, history, chunk):
    seen, copies = [], []
    for array in observe(view(history=history, max_cycles=23)):
        seen.append(array)
        copies.append(array.copy())
    assert len(seen) > 70
    for array, copy in zip(seen, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(("view", "observe"), OBSERVERS.values(), ids=OBSERVERS)
def test_how_the_history_is_kept_does_not_matter(view, observe, monkeypatch):
    whole = [array.copy() for array in observe(view(max_cycles=23))]
    monkeypatch.setattr(observation, "_MAX_CHUNK_BYTES", 1)
    rolling = [array.copy() for array in observe(view(max_cycles=23))]
    assert len(whole) == len(rolling)
    for a, b in zip(whole, rolling, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("view", ["aec", "single"])
def test_what_has_been_handed_out_may_be_written_to(view):
    make, observe = OBSERVERS[view]
    untouched = [array.copy() for array in observe(make(max_cycles=7))]
    scribbled = []
    for array in observe(make(max_cycles=7)):
        scribbled.append(array.copy())
        array[:] = -1.0
    for a, b in zip(untouched, scribbled, strict=True):
        np.testing.assert_array_equal(a, b)


def aec_rewards(actions, **arguments):
    env = aigc_market.env(**arguments)
    env.reset(seed=0)
    for action in actions:
        env.step(np.array([action], "f4"))
    return env.rewards


@pytest.mark.parametrize("capacity", [None, 100.0])
def test_utility_and_surplus_differ_by_a_constant(capacity):
    arguments = {"satisfaction": [150.0, 260.0], "capacity": capacity}
    utility = aec_rewards([9.0, 70.0, 130.0], vmu_reward="utility", **arguments)
    surplus = aec_rewards([9.0, 70.0, 130.0], vmu_reward="surplus", **arguments)
    assert utility["asp_0"] == surplus["asp_0"]
    for vmu, delta in (("vmu_0", 150.0), ("vmu_1", 260.0)):
        assert utility[vmu] - surplus[vmu] == pytest.approx(delta * 4891.89, rel=1e-9)


def test_scaled_equilibrium_play_earns_one():
    arguments = {"satisfaction": [150.0, 260.0], "scale_rewards": True}
    single = PricingEnv(**arguments)
    single.reset(seed=0)
    price = np.array([single.equilibrium.price], "f4")
    assert single.step(price)[1] == pytest.approx(1.0)
    lanes = PricingVectorEnv(num_envs=3, autoreset_mode="SameStep", **arguments)
    lanes.reset(seed=0)
    np.testing.assert_allclose(lanes.step(np.stack([price] * 3))[1], 1.0)
    aec = aigc_market.env(**arguments)
    aec.reset(seed=0)
    assert aec_round(aec, price)[1] == pytest.approx(1.0)


def test_where_nothing_can_be_earned_scaling_leaves_rewards_alone():
    assert aec_rewards([20.0, 10.0, 10.0], cost=20.0, scale_rewards=True)["asp_0"] == 0.0
    single = PricingEnv(cost=20.0, scale_rewards=True)
    single.reset(seed=0)
    assert single.step(np.array([20.0], "f4"))[1] == 0.0


def test_scaled_follower_rewards_are_shares_of_the_best_image():
    plain = aec_rewards([9.0, 70.0, 130.0], satisfaction=[150.0, 260.0])
    scaled = aec_rewards([9.0, 70.0, 130.0], satisfaction=[150.0, 260.0], scale_rewards=True)
    gain = 0.075**2 / (4 * 0.000174)  # of SSIM at its vertex, which lies within the bounds
    assert scaled["vmu_0"] == pytest.approx(plain["vmu_0"] / (150.0 * gain))
    assert scaled["vmu_1"] == pytest.approx(plain["vmu_1"] / (260.0 * gain))


def test_regret_is_against_rational_followers_whatever_these_ones_did():
    rational, careless = (aigc_market.env() for _ in range(2))
    for env in (rational, careless):
        env.reset(seed=0)
    aec_round(rational, np.array([11.0], "f4"))
    for action in (11.0, 240.0, 10.0):
        careless.step(np.array([action], "f4"))
    assert careless.infos["asp_0"]["regret"] == rational.infos["asp_0"]["regret"] > 0
    assert careless.infos["asp_0"]["utility"] != rational.infos["asp_0"]["utility"]


@pytest.mark.parametrize("view", ["aec", "single", "vector"])
def test_regret_is_never_negative(view):
    """Single-precision purchases may pay a hair more than the equilibrium."""
    rng = np.random.default_rng(0)
    satisfaction, N = rng.uniform(100, 400, (40, 2)), 40
    bases = [aigc_market.solve(aigc_market.Market(satisfaction=row)) for row in satisfaction]
    prices = np.array([[base.price] for base in bases], "f4")
    if view == "vector":
        lanes = PricingVectorEnv(num_envs=N)
        lanes.reset(options={"satisfaction": satisfaction})
        regrets = lanes.step(prices)[-1]["regret"]
    else:
        env = aigc_market.env() if view == "aec" else PricingEnv()
        regrets = []
        for row, price in zip(satisfaction, prices, strict=True):
            env.reset(options={"satisfaction": row})
            info = aec_round(env, price)[-1] if view == "aec" else env.step(price)[-1]
            regrets.append(info["regret"])
    assert np.min(regrets) == 0.0
    assert np.max(regrets) < 1e-3


@pytest.mark.parametrize("K", [1, 2, 7, 40])
def test_regret_in_infos_is_that_of_the_verifier(K):
    env = PricingEnv(K=K, satisfaction=np.linspace(60, 700, K), min_steps=0)
    env.reset(seed=0)
    for action in leader_actions(env, 6):
        info = env.step(action)[-1]
        gap = aigc_market.regret(env.market, info["price"], info["demand"])
        assert info["regret"] == pytest.approx(gap.leader, rel=1e-4, abs=1e-3)


IDS = {
    "aigc_market/Pricing-v0": (PricingEnv, PricingVectorEnv),
    "aigc_market/Rival-v0": (RivalEnv, RivalVectorEnv),
}


@pytest.mark.parametrize("units", ["a learner's", "the market's"])
@pytest.mark.parametrize("name", IDS)
def test_the_ids_are_these_views_in_a_learners_units_by_default(name, units):
    default = units == "a learner's"
    flags = {"normalize": default, "scale_rewards": default}
    single, vector = IDS[name]
    made = gymnasium.make(name, max_cycles=3, **({} if default else flags))
    ours = single(max_cycles=3, **flags)
    lanes = gymnasium.make_vec(name, num_envs=2, max_cycles=3, **({} if default else flags))
    ours_lanes = vector(2, max_cycles=3, **flags)
    assert made.action_space == ours.action_space
    assert lanes.single_action_space == ours_lanes.single_action_space
    for a, b in ((made, ours), (lanes, ours_lanes)):
        np.testing.assert_array_equal(a.reset(seed=0)[0], b.reset(seed=0)[0])
    if default:
        assert (made.action_space.low, made.action_space.high) == (-1.0, 1.0)
        assert made.observation_space.high.max() == 1.0
        assert made.observation_space.low.min() >= 0.0
    action = 0.97 * made.action_space.low + 0.03 * made.action_space.high
    for a, b, given in ((made, ours, action), (lanes, ours_lanes, np.stack([action] * 2))):
        seen, reward, *_ = a.step(given)
        expected, as_expected, *_ = b.step(given)
        np.testing.assert_array_equal(seen, expected)
        np.testing.assert_array_equal(reward, as_expected)
        assert np.all(reward > 0.0)
        assert np.all(reward < 10.0) if default else np.all(reward > 10.0)
