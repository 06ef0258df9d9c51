"""Records docs/images/render.gif: a trained leader in a market that it has never seen.

The leader is `filter_pathwise` of baselines/weights/, the market the first `hidden` one of the
demonstration seeds, which nothing was trained on or chosen by.
"""

from pathlib import Path

import gymnasium
import numpy as np

from aigc_market import replay
from baselines.arena.policies import load_policy
from baselines.arena.protocol import History
from baselines.arena.seeds import demonstration_seed

SCENARIO = "hidden"
ROUNDS = 32
"""Of the episode's 100: later ones look alike."""

env = gymnasium.make("aigc_market/Pricing-v0", scenario=SCENARIO, normalize=False)
env.reset(seed=demonstration_seed(0))
leader = load_policy(SCENARIO).method(num_envs=1)
K = env.unwrapped.market.K
prices, steps = np.empty((1, 0)), np.empty((1, 0, K))
film = []
for _ in range(ROUNDS):
    price = leader.act(History(prices, steps, active=np.ones((1, K), bool)))
    env.step(price.astype(np.float32))
    replay.collect(env, film)
    prices, steps = np.array([[film[-1].price]]), np.array([[film[-1].asked]])
replay.write_video(film, Path(__file__).parent / "images" / "render.gif", fps=5)
