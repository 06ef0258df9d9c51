"""Price games of econgym, where they are ours.

- `BertrandEnv` sells one unit to the cheapest, and ties share it: ours with one step a request and
  no way out, as μ goes to 0. On its grid a price may be 0, which ours refuses, and its benchmark is
  the lowest of several equilibria of the grid.
- `BertrandDiffEnv` has demand that is linear in all prices. With one firm, or with the others'
  prices given, that is a quadratic SSIM with one provider. With several it is none of ours: our
  VMUs share out by a logit.
- `QLearner` remembers the others' last prices alone, explores with ε/(1 + kt) and begins near 0.
  Calvano's remembers all prices, explores with e^−βt and begins at what random rivals would leave.
  With these three changed the rest is the same algorithm.
"""

import itertools

import numpy as np
import pytest

import aigc_market
from aigc_market import competition
from aigc_market.ssim import QuadraticSSIM
from baselines.methods.q_learning.oligopoly import Oligopoly, oligopoly
from baselines.methods.q_learning.tabular import QRecipe, learn

econgym = pytest.importorskip("econgym", reason="needs the extra 'peers'")
solvers = pytest.importorskip("econgym.solvers", reason="needs the extra 'peers'")
metrics = pytest.importorskip("econgym.metrics", reason="needs the extra 'peers'")

STEP = 0.5
"""Of price grids, a power of two, so that equal payoffs are equal to the last digit."""
NONE, FAINT = 1e-4, 1e-7
"""Temperatures: who asks a step more sells nothing; and Nash profits are all but 0."""


def homogeneous(env, temperature):
    """The market of a `BertrandEnv`, and its game on that grid."""
    market = competition.Competition(
        M=env.n,
        K=1,
        cost=env.c,
        max_price=env.p_max,
        satisfaction=100.0,
        min_steps=1,
        max_steps=1,
        ssim=QuadraticSSIM(-0.1, 1.0, 0.0),
        temperature=temperature,
    )
    grid = np.tile(env.grid, (env.n, 1))
    return Oligopoly(market, competition.nash(market), competition.cartel(market), grid)


def bertrand(rng, n=None, levels=None):
    """A `BertrandEnv` whose cost is one of its prices, some of which are lower."""
    n, levels = n or int(rng.integers(2, 6)), levels or int(rng.integers(5, 31))
    low = STEP * int(rng.integers(1, 5))
    cost = low + STEP * int(rng.integers(0, 3))
    return econgym.BertrandEnv(n, levels, cost, low, low + STEP * (levels - 1))


@pytest.mark.parametrize(("n", "levels"), [(2, 7), (2, 21), (3, 8), (4, 5)])
def test_payoffs_of_all_prices(compared, n, levels):
    env = bertrand(np.random.default_rng(n), n, levels)
    profiles = itertools.product(range(levels), repeat=n)
    theirs = [env.step(chosen)[1] for chosen in profiles]
    compared("payoffs without taste", "econgym", homogeneous(env, NONE).payoffs, theirs, 1e-12)


def test_prices_without_taste(compared):
    """Of prices that are on no grid: where the equilibria of two temperatures point to for none.

    With a taste of μ equal sellers ask μ·n/(n − 1) more than c, a line.
    """
    rng = np.random.default_rng(0)
    for _ in range(50):
        env = bertrand(rng)
        told = env.equilibrium()
        some, more = homogeneous(env, 0.01), homogeneous(env, 0.02)
        assert some.nash.converged
        assert more.nash.converged
        ours = np.append(
            2 * some.nash.prices - more.nash.prices,
            2 * some.nash.asp_utility - more.nash.asp_utility,
        )
        theirs = np.repeat([told["nash_price"], told["nash_profit_per_firm"]], env.n)
        compared("Nash without taste", "econgym", ours, theirs, 1e-10)
        ours = np.append(some.cartel.prices, some.cartel.asp_utility)
        theirs = np.repeat([told["monopoly_price"], told["monopoly_profit_per_firm"]], env.n)
        compared("cartel without taste", "econgym", ours, theirs, 1e-10)


def test_equilibria_of_a_grid(compared):
    """All pure ones, by their enumeration of supports; their benchmark is the lowest of them.

    At c nobody gains by asking more. A step above, each earns half a step and would get nothing
    by asking less. Two steps above, each earns a whole one, and no more by asking less. With any
    taste at all that of c is none: who asks more still sells a little. Here that is e^−5000, 0.
    Where c lies between two prices, the first two above it are equilibria.
    """
    rng = np.random.default_rng(1)
    for _ in range(20):
        env = bertrand(rng, n=2, levels=int(rng.integers(6, 9)))
        between = rng.random() < 0.5
        env.c += STEP / 2 * between
        game = homogeneous(env, NONE)
        ours = game.prices[game.round_equilibria]
        each = np.array([env.step(pair)[1] for pair in itertools.product(range(env.K), repeat=2)])
        rows, columns = each.reshape(env.K, env.K, 2).transpose(2, 0, 1)
        pure = [
            [env.grid[player.argmax()] for player in found]
            for found in solvers.support_enumeration(rows, columns)
            if all(player.max() == 1 for player in found)
        ]
        compared("equilibria without taste", "econgym", ours, sorted(pure), 0.0)
        equal = env.equilibrium()["nash_price"] + STEP * np.arange(2 if between else 3)
        np.testing.assert_array_equal(ours, np.stack([equal, equal], axis=1))


def test_a_collusion_run(compared):
    """Their learners' play in their game, by our rules and our Δ."""
    for seed in range(5):
        env = econgym.BertrandEnv(2, 20, 1.0, STEP, 20 * STEP)
        run = econgym.run_episode(env, [econgym.QLearner(env) for _ in range(2)], 5_000, seed)
        game = homogeneous(env, FAINT)
        earned = game.payoffs[np.ravel_multi_index(run.prices.T, (env.K, env.K))]
        compared("profits of a run", "econgym", earned, run.profits, 1e-12)
        last = 1_000
        ours = game.gain(earned[-last:].mean(axis=0))
        theirs = metrics.delta_index(run.prices, run.profits, env.grid, env.c, 2, last)
        compared("profit gain", "econgym", ours, theirs, FAINT)


def test_one_provider_of_linear_demand(compared):
    """VMUs who all buy between the bounds have together a demand that is linear in the price."""
    rng = np.random.default_rng(2)
    for _ in range(100):
        K = int(rng.integers(1, 8))
        satisfaction, cost = rng.uniform(100, 300, K), rng.uniform(0.5, 2)
        choke = rng.uniform(12, 15, K)  # the price from which a VMU buys nothing
        alpha = -rng.uniform(1e-4, 3e-4, K)
        market = aigc_market.Market(
            K=K,
            cost=cost,
            max_price=20.0,
            satisfaction=satisfaction,
            max_steps=1e4,
            ssim=QuadraticSSIM(alpha, choke / satisfaction, 0.0),
        )
        found = aigc_market.solve(market)
        slopes = 1 / (-2 * alpha * satisfaction)
        told = solvers.bertrand_diff_nash((slopes * choke).sum(), slopes.sum(), 0.0, cost, n=1)
        ours = [found.price, found.steps.sum(), found.asp_utility]
        theirs = [told["p"], told["q_i"], told["profit_i"]]
        for a, b in zip(ours, theirs, strict=True):
            compared("linear demand", "econgym", a, b, 1e-10)


def reply(env, prices, seat):
    """Of one firm to the others' prices: its demand then is that of one VMU with δ = 1."""
    choke = (env.alpha + env.gamma * (prices.sum() - prices[seat])) / env.beta
    market = aigc_market.Market(
        K=1,
        cost=env.c,
        max_price=1e3,
        satisfaction=1.0,
        max_steps=1e4,
        ssim=QuadraticSSIM(-0.5 / env.beta, choke, 0.0),
    )
    return market, aigc_market.solve(market)


def test_replies_and_equilibrium_of_linear_demand(compared):
    rng = np.random.default_rng(3)
    for _ in range(40):
        n, beta = int(rng.integers(2, 6)), rng.uniform(1, 3)
        gamma = rng.uniform(0.05, 0.9) * beta / (n - 1)
        env = econgym.BertrandDiffEnv(n, rng.uniform(5, 20), beta, gamma, rng.uniform(0.5, 2))
        prices = rng.uniform(env.c, env.p_cap, n)
        found = [reply(env, prices, seat)[1] for seat in range(n)]
        ours = [answer.price for answer in found]
        compared("replies to linear demand", "econgym", ours, env.best_response(prices), 1e-10)
        for seat, answer in enumerate(found):  # and what a reply earns, in their game
            changed = np.where(np.arange(n) == seat, answer.price, prices)
            theirs = env.profit(changed)[seat]
            compared("replies to linear demand", "econgym", answer.asp_utility, theirs, 1e-10)
        rest = solvers.best_response_iteration(
            lambda posted, env=env: [reply(env, posted, seat)[1].price for seat in range(env.n)],
            prices,
            tol=1e-11,
        )
        compared("Nash of linear demand", "econgym", rest, [env.equilibrium()["p"]] * n, 1e-9)


class SharedDraws:
    """The numbers of `learn`'s generator, for their agents and their market."""

    def __init__(self, seed):
        self.draws = np.random.default_rng(seed)

    def random(self):
        return self.draws.random()

    def integers(self, levels):
        return int(self.draws.random() * levels)


class CalvanosMarket(econgym.BertrandEnv):
    """Logit demand on a grid, where all see all prices."""

    def __init__(self, n, grid, draws):
        super().__init__(n, len(grid))
        self.grid, self.draws = grid, draws

    def _obs(self, idx):
        return [tuple(reversed(idx))] * self.n  # as numbers of `learn`: the last moves fastest

    def _reset(self):
        return self._obs(np.unravel_index(self.draws.integers(self.K**self.n), (self.K,) * self.n))

    def profits(self, prices):
        odds = np.exp((2.0 - prices) / 0.25)
        return (prices - 1.0) * odds / (1.0 + odds.sum(axis=-1, keepdims=True))

    def step(self, actions):
        return self._obs(actions), self.profits(self.grid[list(actions)]), False, False, {}


class CalvanosLearner(econgym.QLearner):
    """With his state, exploration and first values; choice and update are econgym's."""

    def __init__(self, env, seat, recipe):
        super().__init__(env, recipe.alpha, recipe.discount, eps_decay=None)
        self.n_states, self.beta, self.draws = env.K**env.n, recipe.beta, env.draws
        others = np.moveaxis(np.indices((env.K,) * env.n), 1 + seat, 1).reshape(env.n, env.K, -1)
        means = env.profits(np.moveaxis(env.grid[others], 0, -1))[..., seat].mean(axis=1)
        self.first = means / (1 - recipe.discount)

    def reset(self, rng, track_conv=False):
        super().reset(rng, track_conv)
        self.Q = np.tile(self.first, (self.n_states, 1))

    def act(self, obs, t, rng):
        self.epsilon = np.exp(-self.beta * t)
        return super().act(obs, t, self.draws)


@pytest.mark.parametrize(("sellers", "seed"), [(2, 0), (2, 1), (2, 2), (3, 0)])
def test_q_learning(compared, sellers, seed):
    """From the same numbers both choose the same prices, and their tables end the same."""
    game = oligopoly(sellers)
    recipe = QRecipe(beta=1e-3, max_periods=20_000)
    ours = learn(game.payoffs, recipe, seed)
    env = CalvanosMarket(sellers, game.grid[0], SharedDraws(seed))
    agents = [CalvanosLearner(env, seat, recipe) for seat in range(sellers)]
    run = econgym.run_episode(env, agents, ours.periods, seed)
    last = np.ravel_multi_index(run.prices[-1], (env.K,) * sellers)
    tables = np.stack([agent.Q for agent in agents], axis=1)
    compared("Q-learning", "econgym", ours.tables, tables, 1e-9)
    compared("Q-learning", "econgym", ours.strategies, tables.argmax(axis=-1), 0.0)
    assert ours.last == last
