"""The game of contracts means what its pages say: spaces, rounds by hand, ties, followers."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from hypothesis import given, settings
from hypothesis import strategies as st
from pettingzoo.utils.env_logger import EnvLogger
from test_game import amounts, models
from views import act, menu, menu_lanes

from aigc_market import LogUniform, Market, followers, menus, menus_v0, scalar
from aigc_market.scenarios import SCENARIOS
from aigc_market.torchrl import MarketEnv

DELTA = np.array([150.0, 260.0])
F = 260 * 0.075**2 / 4 / 0.000174
"""The most that a contract is worth to the second."""
TWO = [40.0, 300.0, 120.0, 900.0]
WORSE = [30.0, 20.0, 250.0, 100.0]


def gain(steps):
    """Of SSIM."""
    steps = np.asarray(steps, float)
    return -0.000174 * steps**2 + 0.075 * steps


def played(*rounds, make=menus_v0.env, **arguments):
    """The AEC game after these rounds of a menu, and what each VMU takes."""
    env = make(**{"satisfaction": DELTA, "contracts": 2, "history": 2, **arguments})
    env.reset(seed=0)
    for each in rounds:
        act(env, *each)
    return env


def test_what_is_seen_of_the_last_rounds_oldest_first():
    env = played((TWO, 1, 2))
    np.testing.assert_array_equal(env.observe("asp_0"), [*[0] * 6, *TWO, 1, 2])
    act(env, WORSE, 0)  # of this round a follower does not see what the other takes
    np.testing.assert_array_equal(env.observe("vmu_1"), [260, *WORSE, 0, 0, *TWO[2:]])
    act(env, 1)
    np.testing.assert_array_equal(env.observe("asp_0"), [*TWO, 1, 2, *WORSE, 0, 1])
    np.testing.assert_array_equal(env.observe("vmu_0"), [150, *WORSE, *TWO[:2], 0, 0])
    np.testing.assert_array_equal(env.state(), [*DELTA, *WORSE, *TWO, 1, 2, *WORSE, 0, 1])


def test_in_the_parallel_game_a_menu_in_force_stands_first():
    env = menus_v0.parallel_env(satisfaction=DELTA, contracts=2, history=1)
    seen, _ = env.reset(options={"menu": np.reshape(TWO, (2, 2))})
    np.testing.assert_array_equal(seen["asp_0"], [*TWO, *[0] * 6])
    actions = {"asp_0": np.array(WORSE, "f4"), "vmu_0": 1, "vmu_1": 2}
    seen, rewards, *_, infos = env.step(actions)
    np.testing.assert_array_equal(seen["asp_0"], [*WORSE, *TWO, 1, 2])
    np.testing.assert_array_equal(infos["asp_0"]["menu"], np.reshape(TWO, (2, 2)))
    assert rewards["asp_0"] == 300 - 40 + 900 - 120
    tensors = MarketEnv(3, "menus", satisfaction=DELTA, contracts=2, history=1)
    first = np.array([TWO, WORSE, TWO]).reshape(3, 2, 2)
    of_tensors = tensors.reset(options={"menu": first})["asp", "observation"][:, 0]
    np.testing.assert_array_equal(of_tensors[:, :4], first.reshape(3, 4))


def test_gradients_flow_to_a_first_menu_that_is_given():
    env = MarketEnv(3, "menus", satisfaction=DELTA, contracts=2, differentiable=True)
    first = torch.tensor(TWO, dtype=torch.float32).reshape(2, 2).requires_grad_()
    state = env.reset(options={"menu": first})
    state["asp", "action"] = torch.zeros(3, 1, 4)
    state["vmu", "action"] = torch.tensor([[1, 2]] * 3)
    env.step(state)["next", "asp", "reward"].sum().backward()
    np.testing.assert_array_equal(first.grad, [[-3, 3], [-3, 3]])  # each sold once in three games


@pytest.mark.parametrize(("K", "L", "n"), [(1, 1, 1), (2, 3, 5), (7, 4, 2)])
def test_shapes_and_bounds(K, L, n):
    arguments = {"K": K, "contracts": L, "history": n, "max_fee": 5e3}
    aec, at_once = menus_v0.env(**arguments), menus_v0.parallel_env(**arguments)
    offers, high = [250.0, 5e3] * L, 5e3 / gain(0.075 / 0.000348)  # of δ: all that fees allow
    rounds, delta = [*offers, *[L] * K] * n, [high]
    for space, bounds in (
        (aec.action_space("asp_0"), offers),
        (menu(**arguments).observation_space, rounds),
        (at_once.observation_space("asp_0"), [*offers, *rounds]),
        (aec.observation_space("vmu_0"), [*delta, *offers, *[250.0, 5e3] * n]),
        (at_once.state_space, [*delta * K, *offers, *rounds]),
    ):
        assert space == Box(np.zeros(len(bounds), "f4"), np.array(bounds, "f4"))
    assert aec.action_space("vmu_0") == Discrete(L + 1)
    grid = menus_v0.env(**arguments, continuous_actions=False, max_steps=99.5)
    assert grid.action_space("asp_0") == MultiDiscrete([100, 96] * L)
    drawn = menus_v0.env(scenario="hidden", **{**arguments, "max_fee": None})
    space = drawn.observation_space("vmu_0")
    law = SCENARIOS["hidden"].arguments["satisfaction"]
    np.testing.assert_allclose(space.low[:3], [law.low, -4e-4, 0.05], rtol=1e-6)
    assert space.shape == (3 + 2 * L + 2 * n,)
    best = 0.12**2 / 4 / 1.2e-4 - 1.2e-4 * max(0.12 / 2.4e-4 - 250, 0) ** 2
    np.testing.assert_allclose(drawn.action_space("asp_0").high[1], space.high[0] * best, rtol=1e-6)


def test_actions_mean_steps_and_fees():
    env = played(([250, 95, 7, 0], 0, 0), continuous_actions=False, max_fee=4750.0)
    np.testing.assert_array_equal(env.infos["asp_0"]["menu"], [[250, 4750], [7, 0]])
    EnvLogger.flush()
    env = played(([-3, 9e9, 300, 5], 0, 0))  # is clipped with a warning
    np.testing.assert_allclose(env.infos["asp_0"]["menu"], [[0, F], [250, 5]], rtol=1e-6)
    assert "outside action space" in EnvLogger.mqueue[0]
    env.reset(options={"max_steps": 100.0})
    act(env, [50, 9, 200, 5], 2, 2)
    assert env.infos["vmu_0"]["steps"] == 100.0


def test_infos_and_rewards_by_hand():
    env = played((TWO, 0, 1), cost=2.0)
    leader, first, second = (env.infos[agent] for agent in env.possible_agents)
    best = menus.solve_menu(env.market, 2)
    # δ·gain − T of (40, 300): 108 and 408; of (120, 900): 74 and 791 (rounded).
    worth = DELTA[:, None] * gain(TWO[::2]) - TWO[1::2]
    assert (worth.argmax(1) + 1).tolist() == [first["best_choice"], second["best_choice"]] == [1, 2]
    np.testing.assert_array_equal(leader["menu"], np.reshape(TWO, (2, 2)))
    np.testing.assert_array_equal(leader["taken"], [0, 1])
    assert (leader["round"], leader["utility"]) == (1, 300 - 2 * 40)
    assert leader["equilibrium_utility"] == best.asp_utility == env.best_menu.asp_utility
    assert leader["regret"] == best.asp_utility - (300 - 80 + 900 - 240)  # of rational VMUs
    assert (first["steps"], first["fee"], first["surplus"]) == (0.0, 0.0, 0.0)
    assert (second["steps"], second["fee"]) == (40.0, 300.0)
    assert second["surplus"] == pytest.approx(260 * gain(40) - 300, rel=1e-12)
    assert env.rewards == {"asp_0": 220.0, "vmu_0": 0.0, "vmu_1": second["surplus"]}
    act(env, WORSE, 2, 2)
    assert env.rewards["asp_0"] == env.infos["asp_0"]["utility"] == 2 * (100 - 2 * 250)  # a loss
    scaled = played((TWO, 1, 2), cost=2.0, scale_rewards=True)
    free = played(([0.075 / 0.000348, 0, 0, 0], 1, 1), scale_rewards=True)
    assert scaled.rewards["asp_0"] == pytest.approx(880 / best.asp_utility)
    assert scaled.rewards["vmu_0"] == pytest.approx(worth[0, 0] / (150 * gain(0.075 / 0.000348)))
    assert free.rewards["vmu_0"] == free.rewards["vmu_1"] == pytest.approx(1.0)


def in_units(env, offers, **law):
    """Actions (…, 2L) of menus (…, L, 2), in single precision, in an environment of a law."""
    flat = np.reshape(offers, (*np.shape(offers)[:-2], -1))
    if env.action_space.low.min() < 0:
        high = menu(**law, contracts=flat.shape[-1] // 2).action_space.high
        flat = 2 * flat / high - 1
    return np.broadcast_to(flat.astype("f4"), env.action_space.shape)


PLAIN = {"satisfaction": LogUniform(80, 400)}
HIDDEN = {"scenario": "hidden", "followers": "best_response"}


@pytest.mark.parametrize(
    ("K", "law", "normalize"),
    [
        (K, law, (K + offset) % 2 == 0)  # both units for both laws, and for every K
        for K in range(1, 7)
        for offset, law in enumerate((PLAIN, HIDDEN))
    ],
)
def test_the_best_menu_rounded_to_single_precision_earns_what_it_should(K, normalize, law):
    """Though nearly every VMU is indifferent between its contract and another one."""
    for L in {1, 2, K}:
        env = menu_lanes(300, **law, K=K, contracts=L, normalize=normalize)
        env.reset(seed=K)
        infos = env.step(in_units(env, env.best_menu.menu, **law))[-1]
        best = infos["equilibrium_utility"]
        np.testing.assert_array_equal(best, env.best_menu.asp_utility)
        np.testing.assert_allclose(infos["utility"], best, rtol=1e-5)
        assert 0 <= infos["regret"].min() <= infos["regret"].max() <= 1e-5 * best.max()
        np.testing.assert_array_equal(infos["taken"] > 0, env.best_menu.taken > 0)
        single = menu(**law, K=K, contracts=L, normalize=normalize)
        for seed in range(8):
            single.reset(seed=seed)
            _, reward, *_, info = single.step(in_units(single, single.best_menu.menu, **law))
            assert reward == info["utility"] == pytest.approx(info["equilibrium_utility"], rel=1e-5)


@pytest.mark.parametrize("scenario", ["paper", "hidden"])
def test_the_best_menu_is_worth_one(scenario):
    how = {"scale_rewards": True, "followers": "best_response", "scenario": scenario}
    env = menu_lanes(3000, max_cycles=2, **how)
    env.reset(seed=1)
    rewards = env.step(in_units(env, env.best_menu.menu))[1]
    if scenario == "paper":
        np.testing.assert_allclose(rewards, 1.0, rtol=1e-5)
    error = rewards.std() * np.sqrt(1 / 256 + 1 / 3000)  # of the constant, and of the mean here
    assert abs(rewards.mean() - 1.0) <= 1e-5 + 4 * error


def test_regret_is_against_rational_followers_whatever_these_ones_did():
    infos = [played((TWO, *taken)).infos["asp_0"] for taken in ((1, 2), (0, 0))]
    assert infos[0]["regret"] == infos[1]["regret"] > 0 == infos[1]["utility"]
    lanes = menu_lanes(300, **PLAIN)
    lanes.reset(seed=0)
    for _ in range(5):
        assert (lanes.step(lanes.action_space.sample())[-1]["regret"] >= 0).all()


def test_a_higher_bound_of_fees_admits_higher_values_of_quality():
    env = menu(satisfaction=DELTA)
    with pytest.raises(ValueError, match=r"satisfaction must stay within .*\[0, 260\], got"):
        env.reset(options={"satisfaction": 300.0})
    env = menu(satisfaction=DELTA, max_fee=2 * F)
    env.reset(options={"satisfaction": [519.0, 300.0]})
    *_, info = env.step(in_units(env, env.best_menu.menu))
    assert info["utility"] == pytest.approx(info["equilibrium_utility"], rel=1e-5)


# Followers


@pytest.mark.parametrize("lanes", [0, 50])
@pytest.mark.parametrize("temperature", [0.05, 0.3])
def test_quantal_followers_choose_by_the_logit(lanes, temperature):
    policy = "quantal" if temperature == 0.05 else followers.QuantalChoice(temperature)
    offers = [40.0, 300.0, 120.0, 800.0, 120.0, 800.0]  # one of them twice
    worth = DELTA[:, None] * gain([0, *offers[::2]]) - np.array([0, *offers[1::2]])
    odds = np.exp(worth / (temperature * DELTA[:, None] * gain(0.075 / 0.000348)))
    make, rounds = (lambda **how: menu_lanes(lanes, **how), 120) if lanes else (menu, 6000)
    env = make(satisfaction=DELTA, followers=policy, max_cycles=rounds, judged=False)
    env.reset(seed=0)
    action = np.broadcast_to(np.array(offers, "f4"), env.action_space.shape)
    taken = [env.step(action)[-1]["taken"] for _ in range(rounds)]
    counts = [(np.reshape(taken, (-1, 2)) == number).mean(axis=0) for number in range(4)]
    expected = odds / odds.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.transpose(counts), expected, atol=5 * np.sqrt(0.25 / 6000))


def test_scenarios_bring_their_followers():
    for scenario, by_default in (("paper", "best_response"), ("hidden", "quantal")):
        taken = []
        for policy in (None, "best_response", "quantal"):
            env = menu_lanes(200, scenario=scenario, followers=policy)
            env.reset(seed=0)
            best = in_units(env, env.best_menu.menu)
            taken.append(env.step(best)[-1]["taken"])
        same = [np.array_equal(taken[0], other) for other in taken[1:]]
        assert same == [by_default == "best_response", by_default == "quantal"]


@pytest.mark.parametrize("satisfaction", [200.0, LogUniform(100, 300)], ids=["told", "drawn"])
def test_a_function_decides_what_is_taken(satisfaction):
    shapes = []

    def policy(market, menu, rng):
        shapes.append((menu.shape, market.batch_shape))
        return menu.shape[-2] - np.zeros((*menu.shape[:-2], 2), int) - rng.integers(2, size=2)

    env = menu_lanes(5, satisfaction=satisfaction, followers=policy, contracts=2)
    env.reset(seed=3)
    offers = np.tile(np.array(TWO, "f4"), (5, 1))
    taken = env.step(offers)[-1]["taken"]
    assert shapes == [((5, 2, 2), () if satisfaction == 200.0 else (5,))]
    assert set(taken.ravel()) <= {1, 2}
    again = menu_lanes(5, satisfaction=satisfaction, followers=policy, contracts=2)
    again.reset(seed=3)
    np.testing.assert_array_equal(again.step(offers)[-1]["taken"], taken)


# A round on floats is the round on arrays


@st.composite
def rounds(draw):
    """A market, two menus, and what is taken of each."""
    K, L = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    each = draw(st.lists(amounts, min_size=K, max_size=K))
    market = Market(K=K, cost=draw(st.floats(0.5, 3)), satisfaction=each, ssim=draw(models))
    offer = st.tuples(st.floats(0, 250, width=32), st.floats(0, 900, width=32))
    offers = st.lists(offer, min_size=L, max_size=L)
    taken = st.lists(st.integers(0, L), min_size=K, max_size=K)
    return market, np.reshape([draw(offers), draw(offers)], (2, -1)), [draw(taken), draw(taken)]


@given(rounds(), st.sampled_from([0.0, 30.0]))
@settings(max_examples=150, deadline=None)
def test_a_round_on_floats_is_that_on_arrays(case, rounding):
    market, offers, taken = case
    # Two games side by side: NumPy sums a lone one in another order.
    terms = menus.MenuTerms(market, rounding=rounding)
    floats = scalar.MenuTerms(market, rounding=rounding)
    batch = menus.MenuSettlement(terms, offers.T, np.array(taken).T)
    best, worths = batch.rational(), np.array(terms.worths(offers.T))
    for lane, offer in enumerate(offers.tolist()):
        steps, fees, utility = floats.settle(offer, taken[lane])
        assert steps == batch.steps[:, lane].tolist()
        assert fees == batch.fees[:, lane].tolist()
        assert utility == batch.asp_utility[lane]
        assert floats.worths(offer) == worths[..., lane].T.tolist()
        chosen = floats.rational(offer, floats.worths(offer))
        assert chosen == batch.best_choice()[:, lane].tolist()
        assert floats.settle(offer, chosen)[-1] == best.asp_utility[lane]
        posted = offers[lane].reshape(-1, 2).astype("f4")
        assert rounding or chosen == menus.choose(market, posted).tolist()
