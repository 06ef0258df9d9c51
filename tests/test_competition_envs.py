"""`competition_v0`: PettingZoo's own tests; all views play the one game of `competition.settle`."""

import subprocess
import sys

import allowed
import numpy as np
import pettingzoo
import pytest
from pettingzoo.test import (
    api_test,
    max_cycles_test,
    parallel_api_test,
    parallel_seed_test,
    render_test,
    seed_test,
)
from pettingzoo.test.state_test import state_test

import aigc_market
from aigc_market import competition, competition_v0
from aigc_market.competition import followers
from aigc_market.envs.competition import episode

CYCLES = 4
VARIANTS = {
    "one": {"M": 1, "K": 1},
    "two": {},
    "three": {"M": 3, "K": 4, "cost": [1.0, 1.5, 2.0], "capacity": [90.0, 100.0, 500.0]},
    "normal": {"normalize": True, "scale_rewards": True},
    "discrete": {"continuous_actions": False},
    "outside": {"outside": 0.0, "normalize": True},
    "scripted": {"followers": "noisy"},
    "calvano": {"scenario": "calvano"},
    "road": {"scenario": "road"},
    "hidden": {"scenario": "hidden", "normalize": True},
    "many": {"M": 3, "K": 20, "ssim": [None, None, aigc_market.ssim.QuadraticSSIM(-1e-4, 0.07)]},
}
every_variant = pytest.mark.parametrize("arguments", VARIANTS.values(), ids=VARIANTS)
pytestmark = [*allowed.different_agents, allowed.several_choices, allowed.unknown_option]


def aec(**arguments):
    return competition_v0.env(**{"max_cycles": CYCLES, **arguments})


def parallel(**arguments):
    return competition_v0.parallel_env(**{"max_cycles": CYCLES, **arguments})


@every_variant
def test_api(arguments, capsys):
    api_test(aec(**arguments), num_cycles=3 * CYCLES)
    assert "Passed API test" in capsys.readouterr().out


@every_variant
def test_parallel_api(arguments, capsys):
    parallel_api_test(parallel(**arguments), num_cycles=CYCLES)
    assert "Passed Parallel API test" in capsys.readouterr().out


@every_variant
def test_seeds_and_states(arguments):
    # A profit gain that does not exist is NaN, which the tools hold to be different from itself.
    drawn = {} if "scenario" in arguments else {"satisfaction": aigc_market.LogUniform(80, 400)}
    arguments = {"judged": False, **drawn, **arguments}
    seed_test(lambda: aec(**arguments), num_cycles=CYCLES)
    parallel_seed_test(lambda: parallel(**arguments), num_cycles=CYCLES)
    state_test(aec(**arguments), parallel(**arguments), CYCLES)


def test_max_cycles():
    max_cycles_test(competition_v0)


def test_render():
    render_test(
        lambda render_mode: aec(render_mode=render_mode, scenario="road"),
        custom_tests={
            "ansi": lambda frame: "price" in frame,
            "rgb_array": lambda frame: frame.shape == (640, 960, 3),
        },
    )


@pytest.mark.parametrize("kind", ["aec", "parallel"])
def test_registry(kind):
    env = pettingzoo.make(kind, "aigc_market/competition_v0", M=3, K=4, max_cycles=4)
    made = {"aec": competition_v0.raw_env, "parallel": competition_v0.parallel_env}[kind]
    assert type(env.unwrapped) is made
    names = [*(f"asp_{m}" for m in range(3)), *(f"vmu_{k}" for k in range(4))]
    assert env.possible_agents == names
    assert env.unwrapped.max_cycles == 4
    assert env.metadata["name"] == "competition_v0"


def test_pettingzoo_without_a_registry_is_enough():
    code = (
        "import pettingzoo\n"
        "vars(pettingzoo).pop('register', None)\n"
        "from aigc_market import competition_v0\n"
        "env = competition_v0.env()\n"
        "env.reset(seed=0)\n"
        "print(env.agent_selection)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "asp_0\n"


# All views are one game


def samples(env, seed):
    for i, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(seed + i)
    return [{a: env.action_space(a).sample() for a in env.possible_agents} for _ in range(CYCLES)]


def meaning(env, actions):
    """Prices, shares and steps of a round, by the words of the page."""
    settings, M = env.settings, env.settings.market.M
    market, prices, shares, steps = env.market, [], [], []
    least, most = settings.price_bounds
    for m in range(M):
        action = actions[f"asp_{m}"]
        if not settings.continuous_actions:
            price = settings.grid[m][action]
        elif settings.normalize:
            least_, most_ = float(np.float32(least)), float(np.float32(most))
            price = least_ + (float(action[0]) + 1) / 2 * (most_ - least_)
        else:
            price = action[0]
        low, high = (float(np.float32(b[m])) for b in (market.cost, market.max_price))
        prices.append(min(max(float(np.float32(price)), low), high))
    W = M + (market.outside is not None)
    for k in range(market.K):
        action = actions[f"vmu_{k}"].astype(float)
        weights, bought = action[:W], action[W:]
        if not settings.continuous_actions:
            weights = weights / 10
        elif settings.normalize:
            weights = ((weights + 1) / 2).astype("f4").astype(float)
            bought = ((bought + 1) / 2 * market.max_steps).astype("f4").astype(float)
        shares.append(weights[:M] / weights.sum() if weights.sum() else np.full(M, 1 / W))
        steps.append(bought)
    return np.array(prices), np.array(shares).T, np.array(steps).T


AGENTS = {name: v for name, v in VARIANTS.items() if name not in ("scripted", "calvano")}


@pytest.mark.parametrize("arguments", AGENTS.values(), ids=AGENTS)
def test_the_aec_game_is_settled_by_the_rules(arguments):
    env = aec(**arguments)
    env.reset(seed=3)
    M, K = env.market.M, env.market.K
    for t, actions in enumerate(samples(env, 5)):
        market, nash, cartel = env.market, env.nash, env.cartel
        prices, shares, steps = meaning(env, actions)
        for agent in env.possible_agents:
            assert env.agent_selection == agent
            before = env.rewards
            env.step(actions[agent])
            if agent != env.possible_agents[-1]:
                assert not any(env.rewards.values()) or env.rewards is before
        settled = competition.settle(market, prices, shares, steps)
        rational = competition.respond(market, prices).vmu_utility
        gain = competition.profit_gain(market, settled.asp_utility, nash, cartel).each
        scales = np.ones(M + K)
        if env.settings.scale_rewards:
            scales = np.append(nash.asp_utility, np.full(K, 200 * (0.075**2) / 4 / 0.000174))
        paid = np.append(settled.asp_utility, settled.vmu_utility()) / scales
        np.testing.assert_allclose(list(env.rewards.values()), paid, rtol=1e-9)
        for m in range(M):
            info = env.infos[f"asp_{m}"]
            assert (info["round"], info["price"]) == (t + 1, prices[m])
            np.testing.assert_allclose(info["sold"], settled.sold[m])
            np.testing.assert_allclose(info["demand"], settled.demand[m], rtol=1e-6)
            np.testing.assert_allclose(info["utility"], settled.asp_utility[m])
            np.testing.assert_allclose(info["cartel_utility"], cartel.asp_utility[m])
            np.testing.assert_allclose(info["cartel_price"], cartel.prices[m])
            found = (info["nash_price"], info["nash_utility"], info["profit_gain"])
            wanted = (nash.prices[m], nash.asp_utility[m], gain[m])
            wanted = wanted if nash.converged else (np.nan,) * 3
            np.testing.assert_allclose(found, wanted, rtol=1e-9)
        for k in range(K):
            info = env.infos[f"vmu_{k}"]
            np.testing.assert_allclose(info["shares"], shares[:, k], rtol=1e-6)
            np.testing.assert_allclose(info["steps"], settled.delivered[:, k], rtol=1e-6)
            np.testing.assert_allclose(info["utility"], settled.vmu_utility()[k])
            forgone = rational[k] - settled.wished_utility()[k]
            np.testing.assert_allclose(info["regret"], forgone, rtol=1e-6, atol=1e-6)
    assert all(env.truncations.values())
    assert not any(env.terminations.values())


def same(one, other):
    assert one.keys() == other.keys()
    for agent, info in other.items():
        assert one[agent].keys() == info.keys()
        for name, value in info.items():
            np.testing.assert_array_equal(one[agent][name], value, err_msg=name)


@pytest.mark.parametrize("arguments", AGENTS.values(), ids=AGENTS)
def test_the_parallel_game_is_the_aec_game_one_price_ahead(arguments):
    turns, at_once = aec(**arguments), parallel(**arguments)
    turns.reset(seed=3)
    M, agents = turns.market.M, turns.possible_agents
    actions = samples(turns, 7)
    first = meaning(turns, actions[0])[0]
    seen, infos = at_once.reset(seed=3, options={"prices": first})
    assert infos == {agent: {} for agent in agents}
    for t in range(CYCLES):
        before = {agent: turns.observe(agent) for agent in agents[:M]}
        for agent in agents[:M]:
            turns.step(actions[t][agent])
        for m, agent in enumerate(agents[:M]):
            np.testing.assert_array_equal(seen[agent][M:], before[agent])
            in_force = turns.observe(agents[M])[-(3 * M * 5 + M) :][:M]
            np.testing.assert_array_equal(seen[agent][:M], np.roll(in_force, -m))
        for agent in agents[M:]:
            np.testing.assert_array_equal(seen[agent], turns.observe(agent))
        np.testing.assert_array_equal(at_once.state(), turns.state())
        for agent in agents[M:]:
            turns.step(actions[t][agent])
        following = actions[min(t + 1, CYCLES - 1)]
        mixed = {
            agent: (following if agent in agents[:M] else actions[t])[agent] for agent in agents
        }
        seen, rewards, terminations, truncations, infos = at_once.step(mixed)
        assert rewards == turns.rewards
        assert (terminations, truncations) == (turns.terminations, turns.truncations)
        same(infos, turns.infos)
    assert at_once.agents == []


SCRIPTED = {
    "duopoly": {"followers": "best_response"},
    "calvano": {"scenario": "calvano"},
    "road": {"scenario": "road", "followers": "best_response"},
    "noise": {"followers": "noisy", "M": 3, "capacity": 100.0},
    "outside": {"followers": "random", "outside": 1.0},
    "many": {"followers": "noisy", "K": 30},
}


@pytest.mark.parametrize("arguments", SCRIPTED.values(), ids=SCRIPTED)
def test_with_scripted_vmus_providers_play_alone_and_are_answered_at_once(arguments):
    turns, at_once = aec(**arguments), parallel(**arguments)
    turns.reset(seed=3)
    seen, _ = at_once.reset(seed=3)
    agents = [f"asp_{m}" for m in range(turns.market.M)]
    assert turns.possible_agents == at_once.possible_agents == agents
    for actions in samples(turns, 7):
        for agent in agents:
            np.testing.assert_array_equal(seen[agent], turns.observe(agent))
        market = turns.market
        prices = [turns._readers[m].read(actions[agent]) for m, agent in enumerate(agents)]
        for agent in agents:
            turns.step(actions[agent])
        seen, rewards, _, truncations, infos = at_once.step(actions)
        assert rewards == turns.rewards
        assert truncations == turns.truncations
        same(infos, turns.infos)
        if turns.settings.policy is followers.best_response:
            answer = competition.respond(market, prices)
            settled = competition.settle(market, prices, answer.shares, answer.steps)
            np.testing.assert_allclose(list(rewards.values()), settled.asp_utility, rtol=1e-12)


@pytest.mark.parametrize("arguments", VARIANTS.values(), ids=VARIANTS)
def test_floats_and_arrays_settle_alike(arguments, monkeypatch):
    def rounds(few):
        monkeypatch.setattr(episode, "FEW_PAIRS", few)
        env = parallel(**arguments)
        env.reset(seed=1)
        for actions in samples(env, 2):
            _, rewards, _, _, infos = env.step(actions)
            yield list(rewards.values())
            yield from (value for info in infos.values() for value in info.values())

    for floats, arrays in zip(rounds(10**9), rounds(0), strict=True):
        np.testing.assert_allclose(floats, arrays, rtol=1e-5, atol=1e-6)


ALONE = {
    "paper": {},
    "seven": {"K": 7, "satisfaction": [50, 90, 150, 200, 300, 500, 800]},
    "thirty": {"K": 30, "satisfaction": np.linspace(60, 700, 30)},
    "scarce": {"capacity": 90.5, "satisfaction": [150.0, 260.0]},
    "bounds": {"cost": 0.7, "max_price": 19.9, "min_steps": 10.1, "max_steps": 77.7},
    "normal": {"normalize": True},
}


@pytest.mark.parametrize("arguments", ALONE.values(), ids=ALONE)
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_one_provider_alone_plays_stackelberg_v0(arguments, weight):
    several, one = aec(M=1, **arguments), aigc_market.env(max_cycles=CYCLES, **arguments)
    for env in (several, one):
        env.reset(seed=0)
    for actions in samples(one, 3):
        for agent in one.possible_agents:
            action = actions[agent]
            one.step(action)
            if agent != "asp_0":
                action = np.append(np.float32(weight), action)
            several.step(action)
        assert several.rewards == one.rewards
        assert several.infos["asp_0"]["utility"] == one.infos["asp_0"]["utility"]
        np.testing.assert_array_equal(
            several.infos["asp_0"]["demand"], one.infos["asp_0"]["demand"]
        )
        for k in range(one.market.K):
            assert several.infos[f"vmu_{k}"]["utility"] == one.infos[f"vmu_{k}"]["surplus"]
    best = one.equilibrium
    np.testing.assert_allclose(several.nash.prices[0], best.price, rtol=1e-6)
    np.testing.assert_allclose(several.nash.asp_utility[0], best.asp_utility, rtol=1e-6)
    np.testing.assert_allclose(several.cartel.asp_utility[0], best.asp_utility, rtol=1e-6)


def test_no_provider_sees_another_ones_price_of_the_round():
    env = aec(M=3)
    env.reset(seed=0)
    for _ in range(3):
        seen, state = {agent: env.observe(agent) for agent in env.agents[:3]}, env.state()
        for m in range(3):
            for agent, before in seen.items():
                np.testing.assert_array_equal(env.observe(agent), before)
            np.testing.assert_array_equal(env.state(), state)
            env.step(np.array([5.0 + m], "f4"))
        np.testing.assert_array_equal(env.observe("vmu_0")[4:7], [5, 6, 7])
        for agent in env.agents[3:]:
            env.step(env.action_space(agent).sample())


def test_rewards_are_zero_until_the_last_has_moved():
    env = aec()
    env.reset(seed=0)
    paid = []
    for agent in env.agent_iter():
        _, _, terminated, truncated, _ = env.last()
        env.step(None if terminated or truncated else env.action_space(agent).sample())
        paid.append(sum(map(abs, env.rewards.values())) > 0)
    assert paid[: 4 * CYCLES] == [False, False, False, True] * CYCLES
    assert not any(paid[4 * CYCLES :])


def test_judged_false_never_solves(monkeypatch):
    def solved(*_):
        raise AssertionError("the oracle was asked")

    monkeypatch.setattr("aigc_market.competition.nash", solved)
    monkeypatch.setattr("aigc_market.competition.cartel", solved)
    for scenario in ("duopoly", "road", "hidden"):
        env = parallel(scenario=scenario, judged=False, render_mode="ansi")
        env.reset(seed=0)
        for actions in samples(env, 0):
            infos = env.step(actions)[-1]
        assert set(infos["asp_0"]) == {"round", "price", "sold", "demand", "utility"}
        assert set(infos["vmu_0"]) == {"shares", "steps", "utility"}
        assert env.round_record().nash_prices is None
        assert "price" in env.render()


def test_the_oracle_is_solved_once_for_a_market_that_stays(monkeypatch):
    asked = []
    nash = competition.nash

    def counting(market):
        asked.append(market)
        return nash(market)

    monkeypatch.setattr("aigc_market.competition.nash", counting)
    env = parallel()
    for _ in range(3):
        env.reset()
        for actions in samples(env, 0):
            env.step(actions)
    assert asked == [env.market]
    road = parallel(scenario="road")
    road.reset(seed=0)
    for actions in samples(road, 0):
        road.step(actions)
    assert len(asked) == 1 + CYCLES


def test_where_there_is_no_nash_equilibrium_infos_are_nan(monkeypatch):
    nash = competition.nash

    def none(market):
        found = nash(market)
        return type(found)(**{**vars(found), "converged": np.array(False)})

    monkeypatch.setattr("aigc_market.competition.nash", none)
    env = parallel(scale_rewards=True)
    env.reset(seed=0)
    _, rewards, _, _, infos = env.step(samples(env, 0)[0])
    info = infos["asp_0"]
    assert np.isnan([info[name] for name in ("nash_price", "nash_utility", "profit_gain")]).all()
    assert info["cartel_utility"] > 0
    assert rewards["asp_0"] == info["utility"]  # unscaled
    with pytest.raises(ValueError, match="price_grid must be prices where no Nash"):
        competition_v0.env(continuous_actions=False, price_grid="nash_cartel")


def test_the_record_of_a_round_knows_where_vehicles_are():
    env = aec(scenario="road", render_mode="ansi")
    env.reset(seed=0)
    assert env.round_record() is None
    first = env._episode._process.places.tolist()
    for actions in samples(env, 0)[:1]:
        for agent in env.possible_agents:
            env.step(actions[agent])
    record = env.round_record()
    assert record.places == first != env._episode._process.places.tolist()
    assert record.prices == [env.infos[f"asp_{m}"]["price"] for m in range(2)]
    np.testing.assert_allclose(
        np.sum(record.demand, axis=1), [env.infos[f"asp_{m}"]["demand"].sum() for m in range(2)]
    )
