"""Periods of tabular Q-learning, two sellers with fifteen prices, ours and others'."""

from itertools import count

from measure import repeat

LEVELS, ALPHA, DISCOUNT = 15, 0.15, 0.95


def ours(threads):
    """Sessions of a million periods, from random prices to learned ones."""
    from baselines.methods.q_learning.oligopoly import oligopoly
    from baselines.methods.q_learning.tabular import QRecipe, learn

    periods, seeds = 1_000_000, count()
    payoffs = oligopoly(2).payoffs
    recipe = QRecipe(ALPHA, discount=DISCOUNT, stable=periods + 1, max_periods=periods)
    return repeat(lambda: learn(payoffs, recipe, next(seeds)), periods)


def econgym(threads):
    """Episodes of its Bertrand market."""
    from econgym import make
    from econgym.agents.qlearning import QLearner
    from econgym.runner import run_episode

    periods, seeds = 5000, count()
    env = make("Bertrand-v0", n=2, K=LEVELS)

    def play():
        sellers = [QLearner(env, alpha=ALPHA, gamma=DISCOUNT) for _ in range(2)]
        run_episode(env, sellers, periods, next(seeds))

    return repeat(play, periods)


def algocomp(threads):
    """Sessions of its logit duopoly, with the fifteen prices of its default.

    A picture of the end is made, and not shown.
    """
    from algocomp.master import logit_duopoly
    from matplotlib import pyplot

    periods, seeds = 50_000, count()  # tables take a second to begin with

    def play():
        logit_duopoly(
            costs=[1, 1],
            qualities=[2, 2],
            outside_quality=0,
            mu=0.25,
            algorithm="q-learning",
            seed=next(seeds),
            plot=False,
            shock=False,
            max_steps=periods,
            learning_rate=ALPHA,
            discount_factor=DISCOUNT,
        )
        pyplot.close("all")

    return repeat(play, periods)
