"""Games of prices as OpenSpiel has them: equilibria, NashConv and prices to commit to."""

import itertools

import competition_by_hand as by_hand
import numpy as np
import pytest
from test_competition_game import made

import aigc_market
from aigc_market import competition
from aigc_market.ssim import TabulatedSSIM
from baselines.methods.q_learning.oligopoly import LEVELS, best_of_a_round, oligopoly

pyspiel = pytest.importorskip("pyspiel", reason="needs the extra 'peers'")
policy = pytest.importorskip("open_spiel.python.policy")
exploitability = pytest.importorskip("open_spiel.python.algorithms.exploitability")
lp_solver = pytest.importorskip("open_spiel.python.algorithms.lp_solver")
stackelberg_lp = pytest.importorskip("open_spiel.python.algorithms.stackelberg_lp")

QUALITY, COST, TEMPERATURE = 2.0, 1.0, 0.25


def printed_profits(grid):
    """(M, L, …, L) by the demand of Calvano et al. (2020), of M sellers' prices (M, L)."""
    prices = np.stack(np.meshgrid(*grid, indexing="ij"))
    odds = np.exp((QUALITY - prices) / TEMPERATURE)
    return (prices - COST) * odds / (1 + odds.sum(axis=0))


class Fixed(policy.Policy):
    """Every player chooses one action, and no other."""

    def __init__(self, game, chosen):
        super().__init__(game, list(range(len(chosen))))
        self.chosen = chosen

    def action_probabilities(self, state, player_id=None):
        player = state.current_player() if player_id is None else player_id
        return {int(self.chosen[player]): 1.0}


def spiel(profits):
    """Profits (M, L, …) as a game whose players move in turn, and see nothing of the others."""
    return pyspiel.convert_to_turn_based(pyspiel.create_tensor_game(list(profits)))


def improvements(game, chosen):
    """(M,) what each player's best action pays more than the chosen one; their sum is NashConv."""
    found = exploitability.nash_conv(game, Fixed(game, chosen), return_only_nash_conv=False)
    return found.player_improvements


# One round on the grid


@pytest.mark.parametrize("sellers", [2, 3])
def test_all_pure_equilibria_on_the_grid(compared, sellers):
    game = oligopoly(sellers)
    profits = printed_profits(game.grid)
    whole = spiel(profits)
    profiles = itertools.product(range(LEVELS), repeat=sellers)
    theirs = np.array([max(improvements(whole, chosen)) == 0 for chosen in profiles])
    ours = np.isin(np.arange(len(game.payoffs)), game.round_equilibria)
    compared("pure price equilibria", "open-spiel", ours, theirs, 0)
    cells = np.moveaxis(profits, 0, -1).reshape(game.payoffs.shape)
    np.testing.assert_allclose(game.payoffs, cells, rtol=1e-9)


@pytest.mark.parametrize("sellers", [3, 4])
def test_three_and_four_sellers_have_no_other_equilibrium(compared, sellers):
    """Strict dominance leaves one profile: no other is one, nor is any that is mixed."""
    game = oligopoly(sellers)
    strict = lp_solver.DominanceType.DOMINANCE_STRICT
    _, live = lp_solver.iterated_dominance(printed_profits(game.grid), strict)
    left = [prices[kept] for prices, kept in zip(game.grid, live, strict=True)]
    assert [len(prices) for prices in left] == [1] * sellers
    ours = game.prices[game.round_equilibria]
    compared("pure price equilibria", "open-spiel", ours, np.stack(left, axis=1), 0)


@pytest.mark.parametrize("sellers", [2, 3, 4])
def test_gains_on_the_grid(compared, sellers):
    game = oligopoly(sellers)
    whole = spiel(printed_profits(game.grid))
    gains = best_of_a_round(game.payoffs) - game.payoffs
    for chosen in np.random.default_rng(0).integers(LEVELS, size=(100, sellers)):
        profile = np.ravel_multi_index(chosen, (LEVELS,) * sellers)
        compared("NashConv", "open-spiel", gains[profile], improvements(whole, chosen), 1e-12)
        anywhere = competition.deviation_gains(game.market, game.prices[profile])
        assert (anywhere >= gains[profile] - 1e-6).all()


# Prices of any size: the other's game is on a grid that has our prices among its own


def grids(plain, rng, levels, *also):
    """(M, L) prices of each seller, these first: (M,) each."""
    drawn = rng.uniform(plain["cost"][:, None], 20, (plain["M"], levels))
    return np.concatenate([np.stack(also, axis=1), drawn], axis=1)


def by_hand_profits(plain, grid):
    return by_hand.utilities(plain, np.stack(np.meshgrid(*grid, indexing="ij")))


@pytest.mark.parametrize("kinds", [by_hand.OLD, by_hand.NEW])
@pytest.mark.parametrize(("sellers", "levels"), [(2, 100), (3, 20), (4, 8)])
def test_nash_conv_is_that_of_the_best_prices(compared, sellers, levels, kinds):
    """Our best prices are among theirs: more would show that they are not best, less that they do
    not pay what we say."""
    for seed in range(15):
        rng = np.random.default_rng([seed, sellers])
        plain = by_hand.draw(rng, providers=sellers, followers=int(rng.integers(1, 7)), kinds=kinds)
        market, prices = made(plain), rng.uniform(plain["cost"], 15)
        best = [competition.best_deviation(market, m, prices) for m in range(sellers)]
        grid = grids(plain, rng, levels, prices, [deviation.price for deviation in best])
        theirs = improvements(spiel(by_hand_profits(plain, grid)), [0] * sellers)
        scale = max(deviation.utility for deviation in best)
        ours = competition.deviation_gains(market, prices)
        compared("NashConv", "open-spiel", ours / scale, theirs / scale, 1e-6)
        total = competition.nash_conv(market, prices)
        compared("NashConv", "open-spiel", total / scale, theirs.sum() / scale, 1e-6)


@pytest.mark.parametrize(("sellers", "levels"), [(2, 100), (3, 20), (4, 8)])
def test_nobody_gains_at_nash_prices(compared, sellers, levels):
    found = 0
    for seed in range(15):
        rng = np.random.default_rng([seed, sellers, 1])
        plain = by_hand.draw(rng, rng.uniform(20, 100), sellers, int(rng.integers(1, 7)))
        nash = competition.nash(made(plain))
        if not nash.converged:
            continue
        found += 1
        near = [nash.prices * factor for factor in (1, 0.9, 0.99, 1.01, 1.1)]
        grid = grids(plain, rng, levels, *near)
        theirs = improvements(spiel(by_hand_profits(plain, grid)), [0] * sellers)
        scale = nash.asp_utility.max()
        assert (theirs <= nash.gap + 1e-9 * scale).all()
        compared("Nash prices", "open-spiel", np.zeros(sellers), theirs / scale, 1e-6)
    assert found >= 12


# A leader's price to commit to


@pytest.mark.parametrize(("followers", "points"), [(1, 12), (2, 5), (3, 3)])
def test_the_price_to_commit_to(compared, followers, points):
    """A leader that mixes the lowest and the highest price asks any price in between, on average.

    Where curves are tables, followers buy at a point or at a bound, whatever the price. So their
    actions are finitely many, and all utilities are linear in the price: a mixed commitment of two
    prices that nobody sees beforehand is a price. The linear programmes of Conitzer & Sandholm
    (2006) find the best: so no leader gains by drawing its price at random.
    """
    scarce = 0
    for seed in range(12):
        rng = np.random.default_rng([seed, followers])
        steps = np.concatenate([[0], np.sort(rng.uniform(5, 245, points - 2)), [250]])
        values = np.concatenate([[0], np.cumsum(rng.dirichlet(np.ones(points - 1)))])
        values *= rng.uniform(5, 9)
        delta, cost = 10 ** rng.uniform(2.2, 2.7, followers), rng.uniform(0.5, 3)
        least = float(rng.choice([0, 0, 20]))
        room = None if rng.random() < 0.5 else followers * (least + rng.uniform(10, 120))
        market = aigc_market.Market(
            K=followers,
            cost=cost,
            max_price=20.0,
            satisfaction=delta,
            min_steps=least,
            max_steps=250,
            capacity=room,
            ssim=TabulatedSSIM(steps, values),
        )
        kept = np.unique(np.concatenate([[least], steps[steps > least]]))
        bought = np.array(list(itertools.product(kept, repeat=followers)))
        worth = (delta * np.interp(bought, steps, values)).sum(axis=1)
        sold = bought.sum(axis=1) if room is None else np.minimum(bought.sum(axis=1), room)
        prices = np.array([[cost], [20.0]])
        game = pyspiel.create_matrix_game(
            (prices - cost) * sold, worth - prices * bought.sum(axis=1)
        )
        mixed, _, utility, _ = stackelberg_lp.solve_stackelberg(game)
        ours = aigc_market.solve(market)
        assert ours.asp_utility > 50
        compared("commitment", "open-spiel", ours.asp_utility, utility, 1e-6)
        compared("commitment", "open-spiel", ours.price, mixed @ prices[:, 0], 1e-6)
        scarce += room is not None and ours.steps.sum() > room - 1e-6
    assert scarce
