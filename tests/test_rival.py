"""One provider among scripted rivals: `aigc_market/Rival-v0`, single and vector, and its rivals."""

import copy
import pickle
from types import SimpleNamespace

import allowed
import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env as sb3_check_env
from stable_baselines3.common.env_util import make_vec_env

import aigc_market
from aigc_market import Competition, LogUniform, Scenario, Shift, competition
from aigc_market.competition import rivals
from aigc_market.envs.competition.lanes import Lanes
from aigc_market.envs.competition.single import RivalEnv
from aigc_market.envs.competition.vector import RivalVectorEnv
from aigc_market.envs.single import PricingEnv
from aigc_market.sb3 import GymnasiumVecEnv

ID = "aigc_market/Rival-v0"
INFOS = {"round", "price", "sold", "demand", "utility", "rival_prices"}
JUDGED = {"nash_price", "nash_utility", "cartel_price", "cartel_utility", "profit_gain"}
SCENARIOS = ["duopoly", "calvano", "road", "hidden"]
MARKETS = {
    "duopoly": {},
    "calvano": {"scenario": "calvano"},
    "road": {"scenario": "road"},
    "hidden": {"scenario": "hidden"},
    "one provider": {"M": 1},
    "three, last seat": {"M": 3, "K": 5, "cost": [1.0, 1.5, 2.0], "seat": 2},
    "scarce": {"M": 3, "capacity": [50.0, 80.0, 500.0], "seat": 1, "rivals": "cartel"},
    "normalised": {"normalize": True, "scale_rewards": True},
    "discrete": {"continuous_actions": False, "price_grid": [2.0, 4.0, 8.0]},
    "tit for tat": {"rivals": "tit_for_tat", "M": 3},
    "mixed": {"rivals": ["cartel", lambda market, *_: market.cost[..., 2] * 3], "M": 3},
}
every_market = pytest.mark.parametrize("arguments", MARKETS.values(), ids=MARKETS)
pytestmark = allowed.physical_units


def same(one, other):
    assert one.keys() == other.keys()
    for name, value in other.items():
        np.testing.assert_allclose(one[name], value, rtol=1e-6, atol=1e-9, err_msg=name)


# Rivals


def oracle(nash, cartel):
    return SimpleNamespace(nash_price=np.array(nash), cartel_price=np.array(cartel))


THREE = Competition(M=3, K=2, cost=[1.0, 2.0, 3.0])
KNOWN = oracle([2.0, 3.0, 4.0], [6.0, 7.0, 8.0])
RNG = np.random.default_rng(0)


def posts(name, seat, last, known=KNOWN):
    last = None if last is None else np.array(last)
    return rivals.SCRIPTED[name](THREE, seat, last, known, RNG)


@pytest.mark.parametrize("seat", [0, 1, 2])
@pytest.mark.parametrize("last", [None, [5.0, 5.0, 5.0], [[5.0, 5.0, 5.0], [1.0, 1.0, 1.0]]])
def test_nash_and_cartel_post_what_they_are_called_by(seat, last):
    assert posts("nash", seat, last) == [2.0, 3.0, 4.0][seat]
    assert posts("cartel", seat, last) == [6.0, 7.0, 8.0][seat]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (None, 6.0),  # the cartel's in the first round
        ([0.0, 7.0, 8.0], 6.0),  # the others went all the way; its own price does not count
        ([6.0, 3.0, 8.0], 2.0),  # one of them stayed at Nash
        ([6.0, 1.0, 8.0], 2.0),  # below Nash is no less than Nash
        ([6.0, 5.0, 8.0], 4.0),  # half of the way
        ([6.0, 6.0, 5.0], 3.0),  # a quarter, of the one that went least far
        ([6.0, 20.0, 20.0], 6.0),  # beyond the cartel is no more than the cartel
    ],
)
def test_tit_for_tat_goes_as_far_as_the_least_cooperative_of_the_others(last, expected):
    assert posts("tit_for_tat", 0, last) == pytest.approx(expected)
    if last is not None:
        batch = posts("tit_for_tat", 0, [last, [6.0, 5.0, 8.0]])
        np.testing.assert_allclose(batch, [expected, 4.0])


def test_tit_for_tat_where_a_provider_has_no_way_to_go():
    known = oracle([2.0, 3.0, 4.0], [6.0, 3.0, 8.0])
    assert posts("tit_for_tat", 0, [6.0, 1.0, 6.0], known) == pytest.approx(4.0)


def test_best_reply_answers_the_prices_of_the_last_round():
    last = np.array([[8.0, 6.0, 9.0], [3.0, 4.0, 5.0]])
    for prices in (last, last[0]):
        expected = competition.best_deviation(THREE, 1, prices).price
        np.testing.assert_array_equal(posts("best_reply", 1, prices), expected)
    costs = competition.best_deviation(THREE, 1, THREE.cost).price
    assert posts("best_reply", 1, None) == costs


def test_calvanos_best_reply_to_the_cartel():
    """COMPETITION.md: 1.6617, worth .41169 against the cartel's price."""
    env = RivalEnv(scenario="calvano", rivals="best_reply", continuous_actions=True)
    env.reset(seed=0)
    cartel = np.array([1.924981], "f4")
    env.step(cartel)
    info = env.step(cartel)[-1]
    assert info["rival_prices"] == pytest.approx(1.6617, abs=1e-4)
    assert env.unwrapped._lanes.last.asp_utility[1] == pytest.approx(0.41169, abs=1e-5)


@pytest.mark.parametrize("name", ["nash", "tit_for_tat"])
def test_where_there_is_no_nash_equilibrium_rivals_that_need_it_are_refused(name, monkeypatch):
    env = RivalEnv(rivals=name)
    monkeypatch.setattr(type(env.oracle), "nash_price", np.full(2, np.nan))
    with pytest.raises(ValueError, match=r"rivals must not be \"nash\" .* \"cartel\", \"best_rep"):
        env.reset(seed=0)


@pytest.mark.parametrize(
    ("M", "policies"),
    [
        (2, "nobody"),
        (2, ""),
        (2, None),
        (2, 5),
        (2, {}),
        (1, "nobody"),
        (2, []),
        (2, ["nash", "cartel"]),
        (3, ["nash"]),
        (3, ["nash", "nobody"]),
        (3, ["nash", 5]),
    ],
)
@pytest.mark.parametrize("view", [RivalEnv, RivalVectorEnv])
def test_bad_rivals_are_named(view, M, policies):
    with pytest.raises((TypeError, ValueError), match=r"^rivals must be one .*, got "):
        view(M=M, rivals=policies)


@pytest.mark.parametrize(
    "price",
    [
        0.5,
        20.5,
        np.nan,
        np.inf,
        None,
        "8",
        True,
        [8.0, 8.0],
        np.full((3, 1), 8.0),
        lambda: 8.0,
    ],
)
def test_a_rival_that_posts_a_bad_price_is_named(price):
    env = RivalVectorEnv(3, rivals=lambda *_: price)
    with pytest.raises(ValueError, match=r"rivals must post .* of shape \(3,\) .* got "):
        env.reset(seed=0)


def test_a_rival_may_post_one_price_for_all_markets():
    posted = rivals.price(lambda *_: 5, THREE, 0, None, KNOWN, RNG, (4,))
    np.testing.assert_array_equal(posted, [5.0] * 4)
    assert posted.dtype == np.float64
    posted[0] = 6.0  # its memory is the caller's own


def test_a_rival_is_told_who_and_where_it_is():
    told = []

    def curious(market, seat, last_prices, oracle, rng):
        told.append((market.batch_shape, seat, last_prices, rng.random()))
        assert oracle.cartel_price.shape == (2, 3)
        assert oracle.nash.converged.all()
        if last_prices is not None:
            last_prices *= 0  # its own
        return np.array([seat + 2.0, seat + 3.0])

    arguments = {"M": 3, "seat": 1, "satisfaction": LogUniform(100, 300), "max_cycles": 2}
    env = RivalVectorEnv(2, rivals=curious, autoreset_mode="SameStep", **arguments)
    env.reset(seed=4)
    for price in (8.0, 9.0, 10.0):
        infos = env.step(np.full((2, 1), price, "f4"))[-1]
        np.testing.assert_array_equal(
            infos.get("final_info", infos)["rival_prices"], [[4, 2], [5, 3]]
        )
    assert [seat for _, seat, _, _ in told] == [2, 0] * 4  # each once a round, and twice at a start
    assert [last is None for _, _, last, _ in told] == [True] * 2 + [False] * 2 + [True] * 2 + [
        False
    ] * 2
    assert len({draw for *_, draw in told}) == 8


# Spaces, observations, infos


# Not one provider alone: its profit gain is NaN, which the checker holds to differ from itself.
@pytest.mark.parametrize("name", ["duopoly", "calvano", "road", "hidden", "normalised", "mixed"])
def test_gymnasiums_checker(name):
    env = gymnasium.make(ID, max_cycles=4, **MARKETS[name])
    check_env(env.unwrapped)


@pytest.mark.parametrize("name", ["duopoly", "normalised", "discrete", "hidden"])
def test_stable_baselines3s_checker(name):
    sb3_check_env(RivalEnv(max_cycles=4, **MARKETS[name]))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_infos_have_constant_keys_and_shapes(scenario):
    env = RivalEnv(scenario=scenario, max_cycles=4)
    _, info = env.reset(seed=0)
    assert info == {}
    env.action_space.seed(0)
    for number in range(1, 5):
        _, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert info.keys() == INFOS | JUDGED
        assert isinstance(reward, float)
        assert (terminated, truncated) == (False, number == 4)
        assert info["round"] == number
        assert info["demand"].shape == (env.market.K,)
        assert info["rival_prices"].shape == (1,)
        assert info["utility"] == reward
        for name in {*INFOS, *JUDGED} - {"demand", "rival_prices", "round"}:
            assert type(info[name]) is float, name


def test_a_round_by_hand():
    market = Competition(M=3, K=2, cost=[1.0, 1.5, 2.0])
    arguments = {"M": 3, "K": 2, "cost": [1.0, 1.5, 2.0], "history": 2, "seat": 1}
    env = RivalEnv(rivals=[lambda *_: 7.0, lambda *_: 5.0], **arguments)
    first, _ = env.reset(seed=0)
    # Own price, then those of seats 2 and 0, then own sales: costs and nothing before the start.
    np.testing.assert_array_equal(first, [1.5, 2.0, 1.0, 0, 0] * 2)
    seen, reward, _, _, info = env.step(np.array([6.0], "f4"))
    answer = competition.respond(market, np.array([5.0, 6.0, 7.0]))
    sold = (answer.shares * answer.steps)[1]
    np.testing.assert_allclose(seen, [1.5, 2.0, 1.0, 0, 0, 6.0, 7.0, 5.0, *sold], rtol=1e-6)
    assert reward == pytest.approx((6.0 - 1.5) * sold.sum())
    nash, cartel = competition.nash(market), competition.cartel(market)
    gain = competition.profit_gain(market, env.unwrapped._lanes.last.asp_utility[:, 0])
    expected = {
        "round": 1,
        "price": 6.0,
        "sold": sold.sum(),
        "demand": sold,
        "utility": reward,
        "rival_prices": [7.0, 5.0],
        "nash_price": nash.prices[1],
        "nash_utility": nash.asp_utility[1],
        "cartel_price": cartel.prices[1],
        "cartel_utility": cartel.asp_utility[1],
        "profit_gain": gain.each[1],
    }
    same(info, expected)


def test_what_is_rationed_is_seen_as_delivered():
    env = RivalEnv(capacity=[30.0, 500.0], history=1, rivals=lambda *_: 6.0)
    env.reset(seed=0)
    seen, reward, *_, info = env.step(np.array([6.0], "f4"))
    assert info["demand"].sum() > 100
    assert info["sold"] == pytest.approx(30.0)
    np.testing.assert_allclose(seen, [6.0, 6.0, 15.0, 15.0])
    assert reward == pytest.approx(5.0 * 30.0)


def test_units_of_normalised_views():
    physical, normal = RivalEnv(history=1), RivalEnv(history=1, normalize=True)
    physical.reset(seed=0)
    normal.reset(seed=0)
    for price in (1.0, 8.0, 20.0):
        seen, reward, *_, info = physical.step(np.array([price], "f4"))
        action = np.array([2 * (price - 1) / 19 - 1], "f4")
        as_seen, same_reward, *_, same_info = normal.step(action)
        np.testing.assert_allclose(as_seen, seen / [20, 20, 250, 250], rtol=1e-5, atol=1e-7)
        assert same_reward == pytest.approx(reward, rel=1e-5)
        for name in info:
            np.testing.assert_allclose(same_info[name], info[name], rtol=1e-5, atol=1e-6)


def test_the_grid_of_calvano():
    env = RivalEnv(scenario="calvano")
    assert env.action_space.n == 15
    grid = competition.price_grid(env.market)[0]
    env.reset(seed=0)
    for index in (0, 7, 14):
        assert env.step(index)[-1]["price"] == pytest.approx(grid[index], rel=1e-6)


def test_play_at_the_oracles_prices_has_profit_gains_0_and_1():
    env = RivalEnv(rivals="nash")
    env.reset(seed=0)
    info = env.step(np.array([env.oracle.nash.prices[0]], "f4"))[-1]
    assert info["profit_gain"] == pytest.approx(0.0, abs=1e-5)
    env = RivalEnv(rivals="cartel")
    env.reset(seed=0)
    info = env.step(np.array([env.oracle.cartel.prices[0]], "f4"))[-1]
    assert info["profit_gain"] == pytest.approx(1.0, abs=1e-5)


@pytest.fixture
def solved(monkeypatch):
    """What the oracle is asked for: "nash", "cartel", with the number of markets."""
    asked = []

    def watched(name):
        solve = getattr(competition, name)

        def call(market):
            asked.append((name, *market.batch_shape))
            return solve(market)

        monkeypatch.setattr(competition, name, call)

    watched("nash")
    watched("cartel")
    return asked


def test_without_a_judge_infos_say_less_and_nothing_is_solved(solved):
    env = RivalVectorEnv(3, scenario="road", judged=False, rivals=lambda *_: 6.0)
    env.reset(seed=0)
    with pytest.raises(gymnasium.error.ResetNeeded, match="no round"):
        env.judgement()
    for _ in range(5):
        infos = env.step(np.full((3, 1), 8.0, "f4"))[-1]
        assert infos.keys() == INFOS | {f"_{name}" for name in INFOS}
    assert not solved
    assert env.judgement().keys() == JUDGED
    assert solved == [("nash", 3), ("cartel", 3)]


@pytest.mark.parametrize("name", ["nash", "cartel"])
def test_rivals_ask_for_no_more_than_they_need(solved, name):
    env = RivalVectorEnv(3, scenario="road", judged=False, rivals=name)
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.full((3, 1), 8.0, "f4"))
    assert solved == [(name, 3)] * 4


def test_only_lanes_that_have_changed_are_solved_again(solved):
    hidden = {"satisfaction": LogUniform(100, 300)}
    moving = Scenario("moving", arguments=hidden, moves=[Shift(probability=0.1)])
    env = RivalVectorEnv(20, scenario=moving, rivals="tit_for_tat")
    env.reset(seed=0)
    for _ in range(10):
        env.step(np.full((20, 1), 8.0, "f4"))
    for name in ("nash", "cartel"):
        counts = [count for asked, count in solved if asked == name]
        assert counts[0] == 20
        assert 1 <= sum(counts[1:]) < 60


def test_markets_that_stand_still_are_solved_once(solved):
    env = RivalVectorEnv(3, rivals="tit_for_tat", max_cycles=2)
    env.reset(seed=0)
    for _ in range(5):
        env.step(np.full((3, 1), 8.0, "f4"))
    assert sorted(solved) == [("cartel",), ("nash",)]


@pytest.mark.parametrize("view", [RivalEnv, RivalVectorEnv])
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"seat": 2}, r"seat must be one of M = 2 .* got 2"),
        ({"seat": -1}, r"seat must be a whole number of at least 0, got -1"),
        ({"seat": 0.0}, "seat must be a whole number"),
        ({"followers": "agents"}, r"followers must be scripted here, .* got 'agents'"),
        ({"followers": "nobody"}, "followers must be one of"),
        ({"judged": 1}, "judged must be True or False"),
        ({"vmus": "noisy"}, "'vmus' is not a parameter"),
        ({"M": 0}, "M must be a whole number of at least 1"),
    ],
)
def test_bad_arguments_are_named(view, arguments, complaint):
    with pytest.raises((TypeError, ValueError), match=complaint):
        view(**arguments)


# All views are one game


@every_market
def test_each_lane_is_the_single_environment(arguments):
    arguments = {"max_cycles": 3, **arguments}
    # Lanes whose markets are drawn share a generator: one of them draws what a single one does.
    count = 1 if arguments.get("scenario") in ("road", "hidden") else 2
    lanes = RivalVectorEnv(count, autoreset_mode="SameStep", **arguments)
    singles = [RivalEnv(**arguments) for _ in range(count)]
    for episode in range(2):
        seen, _ = lanes.reset(seed=episode)
        for single, expected in zip(singles, seen, strict=True):
            np.testing.assert_allclose(single.reset(seed=episode)[0], expected, rtol=1e-6)
        lanes.action_space.seed(episode)
        for _ in range(3):
            actions = lanes.action_space.sample()
            seen, rewards, terminations, truncations, infos = lanes.step(actions)
            if truncations.all():
                seen, infos = infos["final_obs"], infos["final_info"]
            assert not terminations.any()
            for i, single in enumerate(singles):
                own, reward, _, over, info = single.step(actions[i])
                np.testing.assert_allclose(own, seen[i], rtol=1e-6, atol=1e-9)
                assert reward == pytest.approx(rewards[i], rel=1e-6, abs=1e-9)
                assert over == truncations[i]
                told = {name: values[i] for name, values in infos.items() if name[0] != "_"}
                same(info, told)


@pytest.mark.parametrize(
    "name", ["duopoly", "calvano", "road", "hidden", "one provider", "three, last seat", "scarce"]
)
def test_it_is_the_parallel_game_of_providers_alone(name):
    arguments = {
        "max_cycles": 2,
        **MARKETS[name],
        "continuous_actions": True,
        "followers": "best_response",
    }
    env = RivalEnv(**arguments)
    seat = arguments.pop("seat", 0)
    arguments.pop("rivals", None)
    parallel = aigc_market.competition_v0.parallel_env(**arguments)
    agents = parallel.possible_agents
    mine, others = agents[seat], [*agents[seat + 1 :], *agents[:seat]]
    for episode in range(2):
        expected, _ = parallel.reset(seed=episode)
        np.testing.assert_array_equal(env.reset(seed=episode)[0], expected[mine])
        env.action_space.seed(episode)
        for _ in range(2):
            action = env.action_space.sample()
            seen, reward, *_, info = env.step(action)
            rivals = dict(zip(others, info.pop("rival_prices")[:, None], strict=True))
            expected, rewards, *_, infos = parallel.step({mine: action, **rivals})
            np.testing.assert_allclose(seen, expected[mine], rtol=1e-6)
            assert reward == pytest.approx(rewards[mine], rel=1e-9)
            same(info, infos[mine])


def test_it_is_the_game_of_providers_and_rational_vmus():
    env, aec = RivalEnv(rivals="tit_for_tat"), aigc_market.competition_v0.env()
    env.reset(seed=0)
    aec.reset(seed=0)
    for price in (3.0, 6.0, 9.0):
        action = np.array([price], "f4")
        seen, reward, *_, info = env.step(action)
        rival = info.pop("rival_prices")
        aec.step(action)
        aec.step(rival.astype("f4"))
        answer = competition.respond(env.market, np.array([price, rival.item()]))
        for k in range(2):  # single precision, as actions are
            choice = np.append(answer.shares[:, k], answer.steps[:, k])
            aec.step(choice.astype("f4"))
        assert aec.rewards["asp_0"] == pytest.approx(reward, rel=1e-5)
        np.testing.assert_allclose(seen, aec.observe("asp_0"), rtol=1e-5)
        told = aec.infos["asp_0"]
        assert told.keys() == info.keys()
        for name, value in info.items():
            np.testing.assert_allclose(value, told[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_one_provider_alone_plays_the_game_of_pricing():
    alone, pricing = RivalEnv(M=1, history=3), PricingEnv(history=3)
    np.testing.assert_array_equal(alone.reset(seed=0)[0], pricing.reset(seed=0)[0])
    for price in (1.0, 5.5, 8.0, 20.0):
        action = np.array([price], "f4")
        seen, reward, *_, info = alone.step(action)
        expected, its_reward, *_, told = pricing.step(action)
        np.testing.assert_allclose(seen, expected, rtol=1e-6)
        assert reward == pytest.approx(its_reward, rel=1e-6)
        assert info["rival_prices"].shape == (0,)
        assert info["nash_price"] == pytest.approx(told["equilibrium_price"], rel=1e-5)
        assert info["nash_utility"] == pytest.approx(told["equilibrium_utility"], rel=1e-6)


def test_every_seat_of_the_lanes_is_its_rivals_environment():
    arguments = {"M": 3, "K": 2, "cost": [1.0, 1.5, 2.0], "history": 2}
    prices = np.random.default_rng(0).uniform(2, 20, (4, 5, 3)).astype("f4").astype(float)
    lanes = Lanes((5,), arguments)
    lanes.begin(np.random.default_rng(0), None)
    views = []
    for seat in range(3):
        others = [(seat + 1) % 3, (seat + 2) % 3]
        count = iter(np.repeat(range(5), 2))  # of the rounds, two rivals in each
        view = RivalVectorEnv(
            5,
            seat=seat,
            rivals=lambda market, at, *_, count=count: prices[min(next(count), 3), :, at],
            **arguments,
        )
        view.reset(seed=0)
        views.append((view, others))
    for t in range(4):
        rewards = lanes.play(prices[t], last=False)
        assert rewards.shape == (5, 3)
        for seat, (view, others) in enumerate(views):
            seen, reward, *_, infos = view.step(prices[t, :, seat, None].astype("f4"))
            np.testing.assert_array_equal(seen, lanes.observation(seat))
            np.testing.assert_array_equal(reward, rewards[:, seat])
            np.testing.assert_array_equal(infos["rival_prices"], prices[t][:, others])
            for name, values in lanes.infos(seat, judged=True).items():
                np.testing.assert_array_equal(infos[name], values)


# What foreign libraries rely on


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_episodes_follow_the_seed(scenario):
    def episode(view, seed):
        view.reset(seed=seed)
        view.action_space.seed(0)
        return np.array([view.step(view.action_space.sample())[1] for _ in range(3)])

    for view in (RivalEnv, lambda **kw: RivalVectorEnv(3, **kw)):
        one, two = (view(scenario=scenario, judged=False) for _ in range(2))
        np.testing.assert_array_equal(episode(one, 5), episode(two, 5))
        differ = np.any(episode(one, 5) != episode(two, 6))
        assert differ == (scenario in ("road", "hidden"))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_copies_go_on_alike(copied):
    for view in (RivalEnv, lambda **kw: RivalVectorEnv(2, **kw)):
        env = view(scenario="hidden", rivals="tit_for_tat", max_cycles=6)
        env.reset(seed=0)
        env.action_space.seed(0)
        env.step(env.action_space.sample())
        other = copied(env)
        for _ in range(3):
            action = env.action_space.sample()
            one, two = env.step(action), other.step(action)
            np.testing.assert_array_equal(one[0], two[0])
            np.testing.assert_array_equal(one[1], two[1])


@pytest.mark.parametrize("scenario", ["duopoly", "road", "hidden"])
def test_what_is_written_to_what_was_handed_out_never_comes_back(scenario):
    def play(spoil):
        env = RivalVectorEnv(
            2, scenario=scenario, rivals="tit_for_tat", max_cycles=2, autoreset_mode="SameStep"
        )
        env.action_space.seed(0)
        answers, kept = [env.reset(seed=0)], []
        for _ in range(4):
            answers.append((*env.step(env.action_space.sample()), env.judgement()))
            kept.append([np.array(answers[-1][0]), np.array(answers[-1][1])])
            kept[-1] += [np.array(value) for value in answers[-1][-1].values()]
            if spoil:
                for thing in answers[-1]:
                    nested = thing.get("final_info", {}) if isinstance(thing, dict) else {}
                    things = (
                        [*thing.values(), *nested.values()]
                        if nested or isinstance(thing, dict)
                        else [thing]
                    )
                    for array in things:
                        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
                            array -= 1000
        return kept

    for one, two in zip(play(False), play(True), strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)


def test_reset_options_hold_for_an_episode():
    env = RivalEnv(rivals="nash")
    env.reset(seed=0, options={"cost": [2.0, 3.0], "temperature": 30.0})
    market = Competition(cost=[2.0, 3.0], temperature=30.0)
    info = env.step(np.array([1.0], "f4"))[-1]
    assert info["price"] == 2.0
    assert info["rival_prices"] == pytest.approx(competition.nash(market).prices[1:], rel=1e-6)
    env.reset(seed=0)
    assert env.step(np.array([1.0], "f4"))[-1]["price"] == 1.0
    with pytest.warns(UserWarning, match="reset option 'prize' is unknown") as warned:
        env.reset(options={"prize": 1})
    assert warned[0].filename == __file__


def test_lanes_may_differ_by_options():
    env = RivalVectorEnv(2)
    env.reset(seed=0, options={"cost": [[1.0, 2.0], [3.0, 4.0]]})
    infos = env.step(np.full((2, 1), 1.0, "f4"))[-1]
    np.testing.assert_array_equal(infos["price"], [1.0, 3.0])
    for lane, cost in enumerate(([1.0, 2.0], [3.0, 4.0])):
        nash = competition.nash(Competition(cost=cost))
        assert infos["nash_price"][lane] == pytest.approx(nash.prices[0], rel=1e-5)


def test_make_vec():
    envs = gymnasium.make_vec(ID, num_envs=3, rivals="cartel", seat=1)
    assert isinstance(envs.unwrapped, RivalVectorEnv)
    assert envs.reset(seed=0)[0].shape == (3, 20)
    sync = gymnasium.make_vec(ID, num_envs=2, vectorization_mode="sync", M=3)
    assert sync.reset(seed=0)[0].shape == (2, 25)
    sync.close()


@pytest.mark.parametrize("arguments", [{}, {"continuous_actions": False}], ids=["box", "discrete"])
def test_stable_baselines3_trains_on_both(arguments):
    arguments = {"normalize": True, "scale_rewards": True, "max_cycles": 8, **arguments}
    ours = GymnasiumVecEnv(RivalVectorEnv(2, rivals="tit_for_tat", **arguments))
    theirs = make_vec_env(ID, n_envs=2, seed=0, env_kwargs=arguments)
    for env in (ours, theirs):
        PPO("MlpPolicy", env, n_steps=8, batch_size=16, n_epochs=1, seed=0, device="cpu").learn(16)


def test_rounds_are_shown_and_recorded():
    env = RivalEnv(scenario="road", render_mode="ansi", max_cycles=3)
    env.reset(seed=0)
    before = env.render()
    assert env.round_record() is None
    info = env.step(np.array([6.0], "f4"))[-1]
    assert isinstance(before, str)
    assert env.render() != before
    record = env.round_record()
    assert record.number == 1
    assert record.prices == [6.0, info["rival_prices"][0]]
    assert record.profit_gain[0] == pytest.approx(info["profit_gain"])
    assert len(record.places) == 4
    plain = RivalEnv(judged=False, rivals="cartel")
    plain.reset(seed=0)
    plain.step(np.array([6.0], "f4"))
    assert plain.round_record().nash_prices is None


@pytest.mark.parametrize("scenario", ["duopoly", "road"])
def test_the_vector_environment_draws_its_first_lanes(scenario):
    pytest.importorskip("pygame")
    envs = RivalVectorEnv(2, scenario=scenario, render_mode="rgb_array", max_cycles=2)
    envs.reset(seed=0)
    for _ in range(3):
        envs.step(np.full((2, 1), 6.0, "f4"))
    frames = envs.render()
    assert [frame.shape for frame in frames] == [(640, 960, 3)] * 2
