"""What the environments are measured against: a game without rules, and one without machinery."""

import numba
import numpy as np
from gymnasium.spaces import Box
from pettingzoo import AECEnv
from pettingzoo.utils import ClipOutOfBoundsWrapper, OrderEnforcingWrapper


class EmptyGame(AECEnv):
    """Agents take turns for some rounds and nothing happens."""

    metadata = {"name": "empty_v0", "render_modes": []}  # noqa: RUF012

    def __init__(self, action_spaces, rounds):
        super().__init__()
        self.possible_agents = list(action_spaces)
        self.observation_spaces = dict.fromkeys(action_spaces, Box(0, 1, (12,), np.float32))
        self.action_spaces = action_spaces
        self.rounds = rounds
        self.seen = np.zeros(12, "f4")

    def observation_space(self, agent):
        return self.observation_spaces[agent]

    def action_space(self, agent):
        return self.action_spaces[agent]

    def reset(self, seed=None, options=None):
        self.agents = self.possible_agents[:]
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: {} for agent in self.agents}
        self.agent_selection = self.agents[0]
        self.turn = 0

    def observe(self, agent):
        return self.seen

    def step(self, action):
        if self.truncations[self.agent_selection]:
            self._was_dead_step(action)
            return
        self.turn += 1
        self._cumulative_rewards[self.agent_selection] = 0.0
        self.agent_selection = self.agents[self.turn % len(self.agents)]
        if self.turn == self.rounds * len(self.agents):
            self.truncations = dict.fromkeys(self.agents, True)
        self._accumulate_rewards()


def empty_game(action_spaces, rounds=100):
    """It, in PettingZoo's own wrappers."""
    return OrderEnforcingWrapper(ClipOutOfBoundsWrapper(EmptyGame(action_spaces, rounds)))


class CompiledLoop:
    """The leader's game as one compiled loop: prices, best responses (Eq. 11), history, rewards."""

    def __init__(self, num_envs, market, history=5):
        ssim = market.ssim
        self.market = ssim.alpha, ssim.beta, market.cost, market.min_steps, market.max_steps
        self.delta = np.tile(market.satisfaction, (num_envs, 1))  # each game has its own
        self.rows = np.zeros((num_envs, history, market.K + 1), "f4")
        self.rewards = np.zeros(num_envs)
        self.rounds = 0

    def step(self, prices):
        """A round of all games, prices (N, 1) within their bounds: rewards (N,)."""
        place = self.rounds % self.rows.shape[1]
        _play(prices[:, 0], self.delta, self.rows, place, self.rewards, *self.market)
        self.rounds += 1
        return self.rewards


@numba.njit(fastmath=True)
def _play(prices, delta, rows, place, rewards, alpha, beta, cost, low, high):
    games, K = delta.shape
    for n in range(games):
        rows[n, place, 0] = prices[n]
        sold = 0.0
        for k in range(K):
            steps = (beta - prices[n] / delta[n, k]) / (-2 * alpha)
            steps = min(max(steps, low), high)
            rows[n, place, k + 1] = steps
            sold += steps
        rewards[n] = (prices[n] - cost) * sold


def checked_loop(envs, market, prices):
    """A compiled loop that earns what a vector environment earns.

    Raises:
        ValueError: it earns something else.
    """
    loop = CompiledLoop(envs.num_envs, market)
    for price in prices:
        ours, theirs = envs.step(price)[1], loop.step(price)
        if not np.allclose(ours, theirs, rtol=1e-5):
            raise ValueError("the compiled loop plays another game than the vector environment")
    return loop
