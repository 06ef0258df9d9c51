"""The rows of the speed table, each measured beside its peer. Nothing is asserted about time.

Run with `pytest tests/benchmarks --override-ini addopts=`, on a quiet machine.
"""

import subprocess
import sys
import warnings

import numba
import numpy as np
import pytest
from gymnasium.spaces import Box
from gymnasium.vector import SyncVectorEnv
from pettingzoo import AECEnv
from pettingzoo.utils import ClipOutOfBoundsWrapper, OrderEnforcingWrapper

import aigc_market
from aigc_market import competition_v0
from aigc_market.envs.competition.vector import RivalVectorEnv
from aigc_market.envs.single import PricingEnv
from aigc_market.envs.vector import PricingVectorEnv

with warnings.catch_warnings():
    # PettingZoo 1.27 deprecates importing its own games by their modules.
    warnings.filterwarnings("ignore", "The old environment creation API has been deprecated")
    from pettingzoo.classic import rps_v2

PRICE, STEPS = np.array([8.0], "f4"), np.array([100.0], "f4")


def turns(env, actions, episodes=1):
    """Play with agent_iter, last and step; how many turns that took."""
    count = 0
    for _ in range(episodes):
        env.reset(seed=0)
        for agent in env.agent_iter():
            _, _, terminated, truncated, _ = env.last()
            env.step(None if terminated or truncated else actions[agent])
            count += 1
    return count


def counting(units, function):
    """The function, answering with how much it does."""

    def run():
        function()
        return units

    return run


def market_turns(K, episodes=1):
    env = aigc_market.env(K=K)
    actions = {"asp_0": PRICE, **{f"vmu_{k}": STEPS for k in range(K)}}
    return lambda: turns(env, actions, episodes)


class EmptyGame(AECEnv):
    """Agents take turns for a hundred rounds and nothing happens."""

    metadata = {"name": "empty_v0", "render_modes": []}  # noqa: RUF012

    def __init__(self, agents=("asp_0", "vmu_0", "vmu_1")):
        super().__init__()
        self.possible_agents = list(agents)
        self.observation_spaces = dict.fromkeys(self.possible_agents, Box(0, 1, (12,), np.float32))
        self.action_spaces = dict.fromkeys(self.possible_agents, Box(1, 250, (1,), np.float32))
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
        if self.turn == 100 * len(self.agents):
            self.truncations = dict.fromkeys(self.agents, True)
        self._accumulate_rewards()


def test_a_turns_against_pettingzoos_smallest_game(compare):
    game = rps_v2.env(max_cycles=100)
    compare(
        "a  turns/s, K = 2, against rock-paper-scissors of PettingZoo",
        "≥ 3",
        market_turns(2, episodes=10),
        lambda: turns(game, {"player_0": 1, "player_1": 1}, episodes=10),
    )


def test_b_turns_against_an_empty_game_in_pettingzoos_wrappers(compare):
    game = OrderEnforcingWrapper(ClipOutOfBoundsWrapper(EmptyGame()))
    actions = {"asp_0": PRICE, "vmu_0": STEPS, "vmu_1": STEPS}
    compare(
        "b  turns/s, K = 2, against an empty game in PettingZoo's wrappers",
        "≥ 3",
        market_turns(2, episodes=10),
        lambda: turns(game, actions, episodes=10),
    )


@pytest.mark.parametrize("judged", [True, False])
@pytest.mark.parametrize(("M", "K"), [(2, 2), (2, 100)])
def test_j_turns_of_several_providers_against_an_empty_game(compare, M, K, judged):
    env = competition_v0.env(M=M, K=K, judged=judged)
    game = OrderEnforcingWrapper(ClipOutOfBoundsWrapper(EmptyGame(env.possible_agents)))
    choice = np.repeat(np.array([0.5, 100.0], "f4"), M)
    actions = {agent: PRICE if agent[:3] == "asp" else choice for agent in env.possible_agents}
    episodes = 10 if K == 2 else 1
    compare(
        f"j  turns/s, M = {M}, K = {K}{'' if judged else ', not judged'}, against an empty game",
        "≥ 3",
        lambda: turns(env, actions, episodes),
        lambda: turns(game, dict.fromkeys(actions, STEPS), episodes),
    )


def test_c_turns_of_a_thousand_vmus(compare):
    compare(
        "c  turns/s, K = 1000, against K = 2",
        "≥ 0.5",
        market_turns(1000),
        market_turns(2, episodes=100),
        repeats=5,
    )


@numba.njit
def rounds_by_rows(actions, history, delta, cost, max_price, slope, vertex, low, high, best):
    """The lanes' rounds one after the other, with the market's numbers in rows (N, K + 1)."""
    T, N = actions.shape
    K = delta.shape[0]
    utility, regret = np.empty((T, N)), np.empty((T, N))
    for t in range(T):
        for n in range(N):
            price = actions[t, n]
            if not np.isfinite(price):
                raise ValueError("actions must be finite")
            price = min(max(price, np.float32(cost)), np.float32(max_price))
            history[t, n, 0] = price
            sold = 0.0
            for k in range(K):
                steps = np.float32(min(max(price / delta[k] * slope + vertex, low), high))
                history[t, n, k + 1] = steps
                sold += steps
            utility[t, n] = (price - cost) * sold
            regret[t, n] = max(best - utility[t, n], 0.0)
    return utility, regret


@numba.njit
def rounds_by_columns(actions, history, delta, cost, max_price, slope, vertex, low, high, best):
    """The same with the market's numbers in columns (K + 1, N), which the compiler vectorises."""
    T, N = actions.shape
    K = delta.shape[0]
    utility, regret = np.empty((T, N)), np.empty((T, N))
    sold = np.empty(N)
    for t in range(T):
        row = history[t]
        for n in range(N):
            price = actions[t, n]
            if not np.isfinite(price):
                raise ValueError("actions must be finite")
            row[0, n] = min(max(price, np.float32(cost)), np.float32(max_price))
        sold[:] = 0.0
        for k in range(K):
            for n in range(N):
                steps = np.float32(min(max(row[0, n] / delta[k] * slope + vertex, low), high))
                row[k + 1, n] = steps
                sold[n] += steps
        for n in range(N):
            utility[t, n] = (row[0, n] - cost) * sold[n]
            regret[t, n] = max(best - utility[t, n], 0.0)
    return utility, regret


def compiled(rounds, history, actions, market):
    """A hundred rounds of every lane, by one of the compiled loops."""
    ssim = market.ssim
    arguments = (
        market.satisfaction,
        market.cost,
        market.max_price,
        0.5 / ssim.alpha,
        -0.5 * ssim.beta / ssim.alpha,
        market.min_steps,
        market.max_steps,
        float(aigc_market.solve(market).asp_utility),
    )

    return lambda: rounds(actions, history, *arguments)


@pytest.mark.parametrize(
    ("rounds", "shape"), [(rounds_by_rows, (9, 5, 4)), (rounds_by_columns, (9, 4, 5))]
)
def test_the_compiled_loops_play_the_same_game(rounds, shape):
    envs = PricingVectorEnv(num_envs=5, K=3)
    actions = np.random.default_rng(0).uniform(0, 25, (9, 5, 1)).astype("f4")
    utility, regret = compiled(rounds, np.zeros(shape, "f4"), actions[..., 0], envs.market)()
    envs.reset(seed=0)
    for t in range(9):
        infos = envs.step(actions[t])[-1]
        np.testing.assert_allclose(utility[t], infos["utility"], rtol=1e-6)
        np.testing.assert_allclose(regret[t], infos["regret"], rtol=1e-5, atol=1e-3)


def lane_rounds(envs, actions):
    """A hundred rounds of every lane, by the vector environment."""
    envs.reset(seed=0)

    def play():
        for action in actions:
            envs.step(action)
        return actions[..., 0].size

    return play


@pytest.mark.parametrize(
    ("lanes", "K", "target"),
    [(4096, 2, "≥ 0.12"), (1024, 100, "≥ 0.25")],
    ids=["4096x2", "1024x100"],
)
def test_d_rounds_against_a_compiled_loop(compare, lanes, K, target):
    rng = np.random.default_rng(0)
    envs = PricingVectorEnv(num_envs=lanes, K=K)
    actions = rng.uniform(1, 20, (100, lanes, 1)).astype("f4")
    loops = [
        counting(
            actions.size, compiled(rounds, np.zeros(shape, "f4"), actions[..., 0], envs.market)
        )
        for rounds, shape in (
            (rounds_by_rows, (100, lanes, K + 1)),
            (rounds_by_columns, (100, K + 1, lanes)),
        )
    ]
    compare(
        f"d  rounds/s, {lanes} lanes × {K} VMUs, against the better of two Numba loops",
        target,
        lane_rounds(envs, actions),
        *loops,
    )


def test_e_rounds_against_a_batch_of_single_environments(compare):
    rng = np.random.default_rng(0)
    batch = PricingVectorEnv(num_envs=4096)
    singles = SyncVectorEnv([PricingEnv] * 64)
    compare(
        "e  rounds/s, 4096 lanes, against SyncVectorEnv of 64 single environments",
        "≥ 300",
        lane_rounds(batch, rng.uniform(1, 20, (100, 4096, 1)).astype("f4")),
        lane_rounds(singles, rng.uniform(1, 20, (20, 64, 1)).astype("f4")),
    )


@pytest.mark.parametrize(
    ("lanes", "M", "K"),
    [(4096, 2, 2), (4096, 2, 10), (1024, 2, 50)],
    ids=["4096x2x2", "4096x2x10", "1024x2x50"],
)
def test_i_rounds_of_several_providers_against_one(compare, lanes, M, K):
    actions = np.random.default_rng(0).uniform(1, 20, (100, lanes, 1)).astype("f4")
    compare(
        f"i  rounds/s, {lanes} lanes, {M} providers × {K} VMUs, against one of {M * K}",
        "≥ 0.33",
        lane_rounds(RivalVectorEnv(num_envs=lanes, M=M, K=K), actions),
        lane_rounds(PricingVectorEnv(num_envs=lanes, K=M * K), actions),
    )


@pytest.mark.parametrize("followers", ["best_response", "noisy"])
@pytest.mark.parametrize("scenario", ["hidden", "drift", "shift", "crowd", "capacity"])
def test_h_rounds_of_hidden_markets_against_the_papers(compare, scenario, followers):
    actions = np.random.default_rng(0).uniform(1, 20, (100, 4096, 1)).astype("f4")
    envs = PricingVectorEnv(num_envs=4096, scenario=scenario, judged=False)
    paper = PricingVectorEnv(num_envs=4096, K=envs.settings.market.K, vmus=followers, judged=False)
    compare(
        f"h  rounds/s, 4096 lanes, {scenario} against paper with {followers} followers",
        "≥ 0.5",
        lane_rounds(envs, actions),
        lane_rounds(paper, actions),
    )


def test_f_solving_against_sorting(compare):
    rng = np.random.default_rng(0)
    market = aigc_market.Market(K=10**6, satisfaction=10 ** rng.uniform(1, 3, 10**6))
    numbers = rng.random(10**6)

    compare(
        "f  time to solve for K = 10⁶, against np.sort of 10⁶",
        "≤ 12",
        counting(1, lambda: aigc_market.solve(market)),
        counting(1, lambda: np.sort(numbers)),
        of="time",
    )


def test_g_import(compare):
    code = "import time; s = time.perf_counter(); import {}; print(time.perf_counter() - s)"

    def importing(modules):
        command = [sys.executable, "-c", code.format(modules)]

        return lambda: float(subprocess.check_output(command))

    compare(
        "g  time to import, against pettingzoo and gymnasium",
        "≤ 1.3",
        importing("aigc_market"),
        importing("pettingzoo, gymnasium"),
        of="time",
        measure=lambda run: run(),  # the interpreter's own start is left out
        repeats=15,
    )
