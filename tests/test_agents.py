"""Scripted leaders, and the interface they share."""

import numpy as np
import pytest

from aigc_market.ssim import TabulatedSSIM
from baselines.arena.measures import means
from baselines.methods.sb3.training import make_lanes
from baselines.methods.scripted import AGENTS, Equilibrium, Greedy, Random, play

HISTORY = np.zeros((1, 5, 3))


def test_random_is_uniform_within_the_price_limits():
    prices = Random(make_lanes(1, cost=3.0), seed=0).act(np.zeros((4000, 5, 3)))
    assert prices.min() >= 3.0
    assert prices.max() <= 20.0
    quartiles = np.quantile(prices, [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quartiles, [7.25, 11.5, 15.75], atol=0.5)


def test_greedy_replays_the_best_price_until_it_pays_less():
    agent = Greedy(make_lanes(1), seed=0)
    agent.epsilon = 0.0
    first = agent.act(HISTORY)
    agent.learn(first, np.array([10.0]))
    agent.epsilon = 1.0
    second = agent.act(HISTORY)
    agent.learn(second, np.array([20.0]))
    agent.epsilon = 0.0
    assert first != second
    assert agent.act(HISTORY) == second
    agent.learn(second, np.array([5.0]))  # overwritten, so the first is the best again
    assert agent.act(HISTORY) == first == agent.best_price


def test_greedy_explores_a_tenth_of_the_rounds_and_remembers_all():
    agent = Greedy(make_lanes(1), seed=0)
    for _ in range(20_000):
        prices = agent.act(HISTORY)
        agent.learn(prices, -((prices - 8.0) ** 2))
    assert agent._tried == pytest.approx(2000, rel=0.1)
    assert agent.best_price == pytest.approx(8.0, abs=0.05)


def test_lanes_of_greedy_do_not_share_a_memory():
    agent = Greedy(make_lanes(2), seed=0)
    for _ in range(3000):
        prices = agent.act(np.zeros((2, 5, 3)))
        agent.learn(prices, -((prices - np.array([5.0, 15.0])) ** 2))
    np.testing.assert_allclose(agent.best_price, [5.0, 15.0], atol=0.2)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"capacity": 150.0},
        {"satisfaction": lambda rng: rng.uniform(80, 400, 2)},
        {
            "ssim": TabulatedSSIM([0, 20, 60, 100, 250], [0.0, 0.1, 0.5, 0.6, 0.62]),
            "satisfaction": [2000.0, 3300.0],
        },
    ],
)
def test_the_oracle_earns_the_equilibrium(arguments):
    env = make_lanes(3, max_cycles=5, **arguments)
    played = means(play(env, Equilibrium(env, seed=0), episodes=3, seed=0))
    assert played["utility"] == pytest.approx(played["equilibrium_utility"], rel=1e-5)
    assert played["regret"] == pytest.approx(0.0, abs=1e-2)


@pytest.mark.parametrize("name", AGENTS)
def test_equal_seeds_play_equal_games(name):
    def game():
        env = make_lanes(2, max_cycles=10)
        return play(env, AGENTS[name](env, seed=3), episodes=4, seed=3)

    assert game() == game()


def test_episodes_are_measured_one_by_one():
    env = make_lanes(1, max_cycles=50)
    episodes = play(env, Greedy(env, seed=0), episodes=6, seed=0)
    assert len(episodes) == 6
    for episode in episodes:
        assert episode["utility"] + episode["regret"] == pytest.approx(
            episode["equilibrium_utility"]
        )
