"""Best replies for ever, as solutions of linear programmes.

Against fixed strategies a seller has a Markov decision process. Its values are the smallest v with
v(s) ≥ r(s, a) + discount · v(s′) for all prices a (d'Epenoux 1963; Puterman 1994, section 6.9).
"""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog

from baselines.methods.q_learning.oligopoly import LEVELS, oligopoly
from baselines.methods.q_learning.strategies import Strategies
from baselines.methods.q_learning.tabular import QRecipe, learn

EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
SHORT = QRecipe(beta=2e-4, stable=2000, max_periods=200_000)


def by_linear_programme(profits, strategies, seat, discount):
    """(L^M,) of a seller that knows the others' `strategies` (L^M, M); profits (L, …, L)."""
    states, cells = len(strategies), strategies.copy()
    rewards, constraints = [], []
    for level in range(len(profits)):
        cells[:, seat] = level
        rewards.append(profits[tuple(cells.T)])
        where = np.arange(states), np.ravel_multi_index(tuple(cells.T), profits.shape)
        moves = sparse.csr_matrix((np.ones(states), where), shape=(states, states))
        constraints.append(sparse.eye(states) - discount * moves)
    found = linprog(
        np.ones(states),
        A_ub=-sparse.vstack(constraints, format="csr"),
        b_ub=-np.concatenate(rewards),
        bounds=(None, None),
        method="highs",
        options=EXACT,
    )
    assert found.success, found.message
    return found.x


def held_against(compared, game, strategies, discount):
    """The best reply of each seller; what it gains above its own strategy, over all states."""
    M = game.market.M
    odds = np.exp((2 - game.prices) / 0.25)  # of Calvano et al. (2020)
    profits = (game.prices - 1) * odds / (1 + odds.sum(axis=1, keepdims=True))
    ours = Strategies(game.payoffs, strategies, discount)
    gains = []
    for seat in range(M):
        own = profits[:, seat].reshape((LEVELS,) * M)
        theirs = by_linear_programme(own, strategies, seat, discount)
        compared("best reply for ever", "scipy", ours.best_reply(seat)[0], theirs, 1e-7)
        gains.append((theirs / ours.values[:, seat]).max() - 1)
    return max(gains)


@pytest.mark.parametrize("session", range(6))
def test_against_what_two_sellers_learned(compared, session):
    """Of the sessions in docs/learning-sellers.md, the first ones."""
    game, recipe = oligopoly(2), QRecipe()
    learned = learn(game.payoffs, recipe, (0, 2, session))
    assert learned.converged
    strategies = learned.strategies.astype(np.int64)
    assert held_against(compared, game, strategies, recipe.discount) > 0.01


def test_against_what_three_sellers_learned(compared):
    game = oligopoly(3)
    strategies = learn(game.payoffs, SHORT, (0, 3, 0)).strategies.astype(np.int64)
    assert held_against(compared, game, strategies, SHORT.discount) > 0.01


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("discount", [0.0, 0.5, 0.95, 0.99])
def test_against_strategies_drawn_at_random(compared, seed, discount):
    strategies = np.random.default_rng(seed).integers(LEVELS, size=(LEVELS**2, 2))
    assert held_against(compared, oligopoly(2), strategies, discount) > 0.01
