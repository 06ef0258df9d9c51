"""Scripted followers: functions, names, noise, bounds, in both games."""

import numpy as np
import pytest
from views import menu_lanes, pricing, pricing_lanes, rival_lanes

import aigc_market
from aigc_market import Competition, competition, followers


def careful(market, price, rng):
    """Buys a tenth less than is rational."""
    return 0.9 * aigc_market.best_response(market, price)


def play(policy, price=9.0, view=pricing, **arguments):
    env = view(followers=policy, **arguments)
    env.reset(seed=3)
    shape = env.action_space.shape
    return env, env.step(np.full(shape, price, "f4"))


def test_rational_followers_are_the_default():
    _, (_, default, *_) = play(None)
    _, (_, named, *_) = play("best_response")
    _, (_, function, *_) = play(followers.best_response)
    assert default == named == function


def test_purchases_are_held_within_the_bounds():
    for bought, held in ((1e6, 250.0), (-5.0, 0.0)):
        _, (*_, info) = play(lambda market, price, rng, bought=bought: np.full(2, bought))
        np.testing.assert_array_equal(info["demand"], held)


@pytest.mark.parametrize(
    ("lanes", "satisfaction"),
    [((), 200.0), ((5,), 200.0), ((5,), aigc_market.LogUniform(100, 300))],
)
def test_a_function_decides_what_is_bought(lanes, satisfaction):
    """In a batch it is given the markets and prices of every lane."""
    shapes = []

    def policy(market, price, rng):
        shapes.append((np.shape(price), market.batch_shape))
        return careful(market, price, rng)

    def view(**arguments):
        make = pricing_lanes if lanes else pricing
        return make(*lanes, satisfaction=satisfaction, **arguments)

    env, (_, rewards, *_, infos) = play(policy, view=view)
    assert shapes == [(lanes, () if satisfaction == 200.0 else lanes)]
    rational = aigc_market.best_response(env.market, np.full(lanes, 9.0))
    np.testing.assert_allclose(infos["demand"], 0.9 * rational, rtol=1e-6)
    np.testing.assert_allclose(rewards, 8.0 * infos["demand"].sum(axis=-1), rtol=1e-6)


@pytest.mark.parametrize(
    ("view", "answer"),
    [
        (pricing_lanes, lambda market, price, rng: np.full(market.K, 20.0)),
        (rival_lanes, lambda market, prices, rng: (np.full((2, 2), 0.5), np.full((2, 2), 20.0))),
        (menu_lanes, lambda market, menu, rng: np.array([1, 0])),
    ],
)
def test_a_batch_of_one_takes_the_answer_of_one_market(view, answer):
    def batched(market, posted, rng):
        told = answer(market, posted, rng)
        return (told[0][None], told[1][None]) if isinstance(told, tuple) else told[None]

    paid = []
    for policy in (answer, batched):
        env = view(1, followers=policy)
        env.reset(seed=0)
        env.action_space.seed(0)
        paid.append(env.step(env.action_space.sample())[1])
    assert paid[0] == paid[1] != 0
    env = view(2, followers=answer)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"of shape \(2, .*2\), got"):
        env.step(env.action_space.sample())


def test_a_scenario_brings_its_followers(monkeypatch):
    monkeypatch.setitem(followers.SCRIPTED, "careful", careful)
    scenario = aigc_market.Scenario("mine", followers="careful")
    for given, expected in ((None, careful), ("best_response", None)):
        env = pricing(scenario=scenario, followers=given)
        env.reset(seed=3)
        reward = env.step(np.array([9.0], "f4"))[1]
        assert reward == play(expected)[1][1]


@pytest.mark.parametrize("lanes", [None, 3])
def test_a_subclass_of_noisy_buys_as_it_says(lanes):
    class Shy(followers.Noisy):
        def __call__(self, market, price, rng):
            return 0.0 * super().__call__(market, price, rng)

    class Calm(followers.Noisy):
        def factors(self, shape, rng):
            return np.full(shape, 0.5, "f4")

    view = pricing if lanes is None else lambda **kw: pricing_lanes(lanes, **kw)
    _, (*_, info) = play(Shy(), view=view)
    np.testing.assert_array_equal(info["demand"], 0.0)
    env, (*_, info) = play(Calm(), view=view)
    rational = aigc_market.best_response(env.market, 9.0)
    np.testing.assert_allclose(
        info["demand"], np.broadcast_to(rational / 2, info["demand"].shape), rtol=1e-6
    )


# By name


def buy(policy, price=8.0, seed=0, **arguments):
    market = aigc_market.Market(**arguments)
    return market, np.asarray(policy(market, price, np.random.default_rng(seed)))


def test_noisy_followers_miss_by_a_factor():
    policy, N = followers.resolve("noisy"), 40000
    market, bought = buy(policy, np.full(N, 8.0), min_steps=0)
    rational = aigc_market.best_response(market, 8.0)[0]
    assert bought.shape == (N, 2)
    factor = bought / rational
    assert factor.min() == pytest.approx(0.05)
    inside = (bought < 250) & (factor > 0.051)
    assert inside.mean() > 0.99
    assert factor[inside].mean() == pytest.approx(1, abs=0.01)
    assert factor[inside].std() == pytest.approx(0.3, rel=0.02)
    for share in (0.1, 0.5, 0.9):
        quantile = {0.1: -1.2816, 0.5: 0.0, 0.9: 1.2816}[share]
        assert np.quantile(factor, share) == pytest.approx(1 + 0.3 * quantile, abs=0.01)
    assert abs(np.corrcoef(factor.T)[0, 1]) < 0.02


def test_noise_is_held_within_the_bounds_and_is_none_at_sigma_0():
    _, bought = buy(followers.Noisy(3.0), np.full(1000, 8.0), min_steps=30, max_steps=120)
    assert (bought.min(), bought.max()) == (30, 120)
    market, bought = buy(followers.Noisy(0.0))
    np.testing.assert_allclose(bought, aigc_market.best_response(market, 8.0), rtol=1e-6)


def test_quantal_followers_choose_by_the_logit():
    policy = followers.Quantal(temperature=0.05)
    _, bought = buy(
        policy, np.full(60000, 8.0), K=2, satisfaction=[200.0, 100.0], min_steps=9.5, max_steps=15.5
    )
    steps = np.arange(10, 16)
    for k, delta in enumerate((200.0, 100.0)):
        gain = -0.000174 * steps**2 + 0.075 * steps
        free = delta * (-0.000174 * 15.5**2 + 0.075 * 15.5)
        odds = np.exp((delta * gain - 8.0 * steps) / (0.05 * free))
        counts = [(bought[:, k] == s).mean() for s in steps]
        np.testing.assert_allclose(counts, odds / odds.sum(), atol=0.008)
    assert set(np.unique(bought)) == set(steps)


SSIM = aigc_market.ssim.QuadraticSSIM([[-1e-4, -2e-4], [-3e-4, -1.5e-4]], [[0.06], [0.08]])


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"satisfaction": [90.0, 300.0]},
        {"K": 3, "cost": 2.0},
        {"ssim": SSIM, "satisfaction": [[200.0, 150.0], [180.0, 120.0]], "min_steps": [10.0, 30.0]},
        {"ssim": aigc_market.ssim.TabulatedSSIM([0, 250], [5, 0])},  # nothing to gain
    ],
)
def test_cold_quantal_followers_are_rational_to_a_step(arguments):
    market, bought = buy(followers.Quantal(1e-6), np.array([6.0, 9.0]), **arguments)
    rational = aigc_market.best_response(market, np.array([6.0, 9.0]))
    np.testing.assert_allclose(bought, rational, atol=0.5 + 1e-9)


def test_quantal_followers_need_a_whole_number():
    with pytest.raises(ValueError, match="min_steps and max_steps must have a whole number"):
        buy(followers.Quantal(), min_steps=10.2, max_steps=10.8)


def test_followers_who_anticipate_hold_back():
    market, bought = buy(followers.resolve("myopic_discount"), np.array([6.0, 8.0]))
    expected = aigc_market.best_response(market, 1.2 * np.array([6.0, 8.0]))
    np.testing.assert_allclose(bought, expected)
    assert (bought < aigc_market.best_response(market, np.array([6.0, 8.0]))).all()


def test_random_followers_buy_anything():
    _, bought = buy(followers.resolve("random"), np.full(5000, 8.0))
    assert bought.min() == pytest.approx(0, abs=0.2)
    assert bought.max() == pytest.approx(250, abs=0.2)
    assert bought.mean() == pytest.approx(125, abs=2)


@pytest.mark.parametrize("name", followers.SCRIPTED)
@pytest.mark.parametrize("lanes", [(), (5,)])
def test_those_who_are_not_there_buy_nothing(name, lanes):
    active = np.random.default_rng(3).random((*lanes, 4)) < 0.5
    _, bought = buy(followers.resolve(name), np.full(lanes, 8.0), K=4, active=active)
    np.testing.assert_array_equal(bought > 0, active)


# Of several providers

MARKETS = {
    "plain": Competition(M=3, K=4, satisfaction=[90.0, 150.0, 200.0, 330.0]),
    "outside": Competition(M=2, K=3, outside=20.0, min_steps=5.0, max_steps=77.0),
    "batch": Competition(M=2, K=3, satisfaction=np.linspace(80, 400, 30).reshape(10, 3)),
}
every_market = pytest.mark.parametrize("market", MARKETS.values(), ids=MARKETS)


def prices_of(market):
    rng = np.random.default_rng(0)
    return rng.uniform(2, 12, (*market.batch_shape, market.M))


@every_market
@pytest.mark.parametrize("name", followers.SCRIPTED_PAIRS)
def test_scripted_vmus_answer_within_what_is_allowed(market, name):
    prices, policy = prices_of(market), followers.SCRIPTED_PAIRS[name]
    shares, steps = followers.choices(policy, market, prices, np.random.default_rng(1))
    assert shares.shape == steps.shape == (*market.batch_shape, market.M, market.K)
    assert steps.min() >= market.min_steps
    assert steps.max() <= market.max_steps
    settled = competition.settle(market, prices, shares, steps)
    rational = competition.respond(market, prices).vmu_utility
    forgone = rational - settled.wished_utility()
    assert forgone.min() > -1e-9 * rational.max()
    assert (forgone.max() < 1e-9 * rational.max()) == (name == "best_response")
    again = followers.choices(policy, market, prices, np.random.default_rng(1))
    np.testing.assert_array_equal(again.shares, shares)
    other = followers.choices(policy, market, prices, np.random.default_rng(2))
    assert np.array_equal(other.steps, steps) == (name == "best_response")


@every_market
def test_noise_is_about_what_is_rational(market):
    prices = prices_of(market)
    exact = competition.respond(market, prices)
    silent = followers.choices(followers.NoisyPairs(0.0), market, prices, np.random.default_rng(0))
    np.testing.assert_allclose(silent.shares, exact.shares, rtol=1e-6)
    np.testing.assert_allclose(silent.steps, exact.steps, rtol=1e-6)
    rng = np.random.default_rng(0)
    noisy = [followers.choices(followers.NoisyPairs(0.1), market, prices, rng) for _ in range(400)]
    mean = np.mean([answer.shares for answer in noisy], axis=0)
    np.testing.assert_allclose(mean, exact.shares, atol=0.02)
    if market.outside is not None:  # its bounds are too narrow to see the noise
        return
    inside = (exact.steps > market.min_steps + 20) & (exact.steps < market.max_steps * 0.7)
    ratios = np.array([answer.steps / np.maximum(exact.steps, 1) for answer in noisy])[:, inside]
    assert ratios.mean() == pytest.approx(1, abs=0.02)
    assert ratios.std() == pytest.approx(0.1, abs=0.01)


def test_random_vmus_are_uniform():
    market = Competition(M=2, K=4000, outside=0.0, min_steps=10, max_steps=50)
    shares, steps = followers.random_pairs(market, np.array([3.0, 4.0]), np.random.default_rng(0))
    # Uniform on a triangle: each part has mean 1/3 and is below 1/2 in three of four draws.
    np.testing.assert_allclose(shares.mean(axis=-1), 1 / 3, atol=0.02)
    np.testing.assert_allclose((shares < 0.5).mean(axis=-1), 0.75, atol=0.03)
    np.testing.assert_allclose(np.quantile(steps, [0.25, 0.5, 0.75]), [20, 30, 40], atol=1)
