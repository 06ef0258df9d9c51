"""Two sellers as a bimatrix game: its equilibria by Nashpy, and ours."""

from dataclasses import replace

import competition_by_hand as by_hand
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import lambertw
from test_competition_game import made

from baselines.methods.q_learning.oligopoly import LEVELS, oligopoly

nashpy = pytest.importorskip("nashpy", reason="needs the extra 'peers'")

QUALITY, COST, TEMPERATURE, MARGIN = 2.0, 1.0, 0.25, 0.1


def printed_game():
    """(L,) prices and both sellers' (L, L) profits, by the formulas of Calvano et al. (2020)."""

    def share(price):  # of one of two that charge the same
        odds = np.exp((QUALITY - price) / TEMPERATURE)
        return odds / (1 + 2 * odds)

    nash = brentq(lambda p: p - COST - TEMPERATURE / (1 - share(p)), COST, 3.0, xtol=1e-14)
    odds = 2 * np.exp((QUALITY - COST) / TEMPERATURE - 1)
    cartel = COST + TEMPERATURE * (1 + lambertw(odds).real)
    grid = nash + (cartel - nash) * np.linspace(-MARGIN, 1 + MARGIN, LEVELS)
    odds = np.exp((QUALITY - grid) / TEMPERATURE)
    row = (grid - COST)[:, None] * odds[:, None] / (1 + odds[:, None] + odds)
    return grid, row, row.T


def pure_equilibria(game):
    """Whether each pair of prices is one: (L, L) of 0 and 1."""
    count = len(game.payoff_matrices[0])
    play = np.eye(count)
    return np.array([[all(game.is_best_response(x, y)) for y in play] for x in play], float)


def ours(game):
    found = np.zeros(LEVELS**2)
    found[game.round_equilibria] = 1
    return found.reshape(LEVELS, LEVELS)


def test_the_table_is_that_of_the_printed_demand(compared):
    grid, *profits = printed_game()
    game = oligopoly(2)
    compared("price table", "scipy", game.grid, [grid, grid], 1e-8)
    cells = game.payoffs.reshape(LEVELS, LEVELS, 2)
    compared("price table", "scipy", cells, np.stack(profits, axis=-1), 1e-8)


def test_two_pairs_of_prices_are_pure_equilibria(compared):
    grid, *profits = printed_game()
    found = pure_equilibria(nashpy.Game(*profits))
    compared("pure price equilibria", "nashpy", ours(oligopoly(2)), found, 0)
    np.testing.assert_allclose(grid[np.argwhere(found)], [[1.4665] * 2, [1.5052] * 2], atol=5e-5)


def test_only_one_more_equilibrium_is_mixed():
    """What strict dominance leaves holds all equilibria, and vertices of its polytopes are all."""
    lp_solver = pytest.importorskip(
        "open_spiel.python.algorithms.lp_solver", reason="needs the extra 'peers'"
    )
    _, *profits = printed_game()
    strict = lp_solver.DominanceType.DOMINANCE_STRICT
    left, live = lp_solver.iterated_dominance(np.stack(profits), strict)
    kept = np.flatnonzero(live[0])
    np.testing.assert_array_equal(kept, np.flatnonzero(live[1]))
    assert set(ours(oligopoly(2)).nonzero()[0]) == set(kept)
    equilibria = [np.stack(pair) for pair in nashpy.Game(*left).vertex_enumeration()]
    assert len(equilibria) == 3
    mixed = [pair for pair in equilibria if pair.max() < 1 - 1e-9]
    np.testing.assert_allclose(mixed, [[[0.0585, 0.9415]] * 2], atol=5e-5)
    whole, play = nashpy.Game(*profits), np.zeros((2, LEVELS))
    play[:, kept] = mixed[0]
    earned = whole[play[0], play[1]]
    assert (profits[0] @ play[1]).max() == pytest.approx(earned[0], rel=1e-12)
    assert (play[0] @ profits[1]).max() == pytest.approx(earned[1], rel=1e-12)


@pytest.mark.parametrize("kinds", [by_hand.OLD, by_hand.NEW])
def test_pure_equilibria_of_other_markets(compared, kinds):
    """Up to six kinds of users, curves and costs that differ, half of them with capacities."""
    counts = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        plain = by_hand.draw(rng, providers=2, followers=int(rng.integers(1, 7)), kinds=kinds)
        grid = np.sort(rng.uniform(plain["cost"][:, None], 20, (2, LEVELS)))
        mesh = np.stack(np.meshgrid(*grid, indexing="ij"))
        theirs = pure_equilibria(nashpy.Game(*by_hand.utilities(plain, mesh)))
        game = replace(oligopoly(2), market=made(plain), grid=grid)
        compared("pure price equilibria", "nashpy", ours(game), theirs, 0)
        counts.append(theirs.sum())
    assert {0, 1} <= set(counts)
