"""One provider among scripted rivals: who they are, and what it sees, does and is told."""

from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from views import rival, rival_lanes

from aigc_market import Competition, LogUniform, competition
from aigc_market.competition import rivals
from aigc_market.sb3 import GymnasiumVecEnv
from aigc_market.ssim import TabulatedSSIM

ID = "aigc_market/Rival-v0"


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


def earned(market, prices):
    """U of every provider where VMUs answer rationally."""
    answer = competition.respond(market, prices)
    return competition.settle(market, prices, answer.shares, answer.steps).asp_utility


@pytest.mark.parametrize("delta", [120.0, 171.5])
def test_a_rival_loses_no_purchase_by_rounding(delta):
    """Where SSIM is a table, demand jumps down above the best price."""
    table = TabulatedSSIM([0, 200], [0, 2])
    market = Competition(ssim=table, max_steps=200, satisfaction=delta, temperature=300.0)
    best = competition.best_deviation(market, 1, market.cost)
    posted = rivals.price(rivals.best_reply, market, 1, None, KNOWN, RNG, ())
    assert earned(market, [1.0, float(posted)])[1] == pytest.approx(best.utility)


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
    env = rival_lanes(2, rivals=curious, autoreset_mode="SameStep", **arguments)
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


# What is seen, done and told


NOT_FLOATS = {"demand", "rival_prices", "round"}


def test_a_round_by_hand():
    market = Competition(M=3, K=2, cost=[1.0, 1.5, 2.0])
    arguments = {"M": 3, "K": 2, "cost": [1.0, 1.5, 2.0], "history": 2, "seat": 1}
    env = rival(rivals=[lambda *_: 7.0, lambda *_: 5.0], **arguments)
    first, _ = env.reset(seed=0)
    # Own price, then those of seats 2 and 0, then own sales: costs and nothing before the start.
    np.testing.assert_array_equal(first, [1.5, 2.0, 1.0, 0, 0] * 2)
    seen, reward, _, _, info = env.step(np.array([6.0], "f4"))
    answer = competition.respond(market, np.array([5.0, 6.0, 7.0]))
    sold = (answer.shares * answer.steps)[1]
    np.testing.assert_allclose(seen, [1.5, 2.0, 1.0, 0, 0, 6.0, 7.0, 5.0, *sold], rtol=1e-6)
    assert reward == pytest.approx((6.0 - 1.5) * sold.sum())
    nash, cartel = competition.nash(market), competition.cartel(market)
    gain = competition.profit_gain(market, earned(market, np.array([5.0, 6.0, 7.0])))
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
    assert info.keys() == expected.keys()
    assert all(type(info[name]) is float for name in info.keys() - NOT_FLOATS)
    for name, value in expected.items():
        np.testing.assert_allclose(info[name], value, rtol=1e-6, atol=1e-9, err_msg=name)


# Options and libraries


def fussy(market, seat, last_prices, oracle, rng):
    """A rival's price, which the game refuses where providers' costs are high."""
    return rng.uniform(2, 9) if market.cost.max() < 3 else -1.0


@pytest.mark.parametrize("view", [rival, lambda **kw: rival_lanes(2, **kw)])
def test_a_reset_that_a_rival_makes_impossible_changes_nothing(view):
    disturbed, quiet = (view(rivals=fussy) for _ in range(2))
    first = view(rivals=fussy)
    with pytest.raises(ValueError, match="rivals must"):
        first.reset(seed=0, options={"cost": 4.0})
    action = np.full(quiet.action_space.shape, 5.0, "f4")
    with pytest.raises(gymnasium.error.ResetNeeded):  # it read what nobody had written
        first.step(action)
    for env in (disturbed, quiet):
        env.reset(seed=3)
    with pytest.raises(ValueError, match="rivals must"):
        disturbed.reset(seed=9, options={"cost": 4.0})
    assert disturbed.market.cost.max() == 1.0
    for _ in range(2):
        for one, two in zip(disturbed.step(action)[:2], quiet.step(action)[:2], strict=True):
            np.testing.assert_array_equal(one, two)


def test_lanes_may_differ_by_options():
    env = rival_lanes(2, rivals="nash")
    env.reset(seed=0, options={"cost": [[1.0, 2.0], [3.0, 4.0]]})
    infos = env.step(np.full((2, 1), 1.0, "f4"))[-1]
    np.testing.assert_array_equal(infos["price"], [1.0, 3.0])
    for lane, cost in enumerate(([1.0, 2.0], [3.0, 4.0])):
        nash = competition.nash(Competition(cost=cost)).prices
        assert infos["nash_price"][lane] == pytest.approx(nash[0], rel=1e-5)
        assert infos["rival_prices"][lane] == pytest.approx(nash[1:], rel=1e-5)


@pytest.mark.parametrize("arguments", [{}, {"continuous_actions": False}], ids=["box", "discrete"])
def test_stable_baselines3_trains_on_both(arguments):
    arguments = {"normalize": True, "scale_rewards": True, "max_cycles": 8, **arguments}
    ours = GymnasiumVecEnv(rival_lanes(2, rivals="tit_for_tat", **arguments))
    theirs = make_vec_env(ID, n_envs=2, seed=0, env_kwargs=arguments)
    for env in (ours, theirs):
        PPO("MlpPolicy", env, n_steps=8, batch_size=16, n_epochs=1, seed=0, device="cpu").learn(16)


def test_rounds_are_shown_and_recorded():
    env = rival(scenario="road", render_mode="ansi", max_cycles=3)
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
    plain = rival(judged=False, rivals="cartel")
    plain.reset(seed=0)
    plain.step(np.array([6.0], "f4"))
    assert plain.round_record().nash_prices is None


def test_an_outside_option_may_come_where_followers_are_scripted():
    alone = gymnasium.make("aigc_market/Rival-v0")
    alone.reset(seed=0, options={"outside": 500.0})
    *_, infos = alone.step(alone.action_space.high)
    assert infos["sold"] < 1.0  # nearly all decline
