"""Record games with Minari, load them, and learn from them offline which price earns most."""

import os
import tempfile

import gymnasium
import minari
import numpy as np
import torch
from torch import nn

import aigc_market  # noqa: F401  (registers the ids)

rng, _ = np.random.default_rng(0), torch.manual_seed(0)
folder = tempfile.TemporaryDirectory()
os.environ["MINARI_DATASETS_PATH"] = folder.name  # in place of ~/.minari/datasets


def play(env: gymnasium.Env, act, seeds: range) -> float:
    """1 − regret / U_p* over all rounds of a game a seed."""
    infos = []
    for seed in seeds:
        observation, truncated = env.reset(seed=seed)[0], False
        while not truncated:
            observation, _, _, truncated, info = env.step(act(observation))
            infos.append([info["regret"], info["equilibrium_utility"]])
    return 1 - np.divide(*np.sum(infos, 0))


def behave(observation: np.ndarray) -> np.ndarray:
    """A price near the last, or now and then any price."""
    near = 2 * observation[-3] - 1 + rng.normal(0, 0.1)
    return np.float32([rng.uniform(-1, 0.6) if rng.random() < 0.1 else near]).clip(-1, 1)


def learned(observation: np.ndarray) -> np.ndarray:
    """The price that the network expects most of, after what was bought in the last rounds."""
    rows = torch.hstack([torch.as_tensor(observation).expand(len(prices), -1), prices])
    return prices[model(rows).argmax()].numpy()


collector = minari.DataCollector(gymnasium.make("aigc_market/Pricing-v0", scenario="hidden"))
before = play(collector, behave, range(400))
collector.create_dataset("pricing/hidden-v0", algorithm_name="a random walk")

games = list(minari.load_dataset("pricing/hidden-v0"))
rows = torch.as_tensor(np.vstack([np.hstack([g.observations[:-1], g.actions]) for g in games]))
rewards = torch.as_tensor(np.hstack([g.rewards for g in games])).float()[:, None]
prices = torch.linspace(-1, 1, 191)[:, None]
model = nn.Sequential(nn.Linear(16, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
for some in torch.randint(len(rows), (5000, 256)):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(rows[some]), rewards[some]).backward()
    optimizer.step()
after = play(collector.env, learned, range(10**6, 10**6 + 100))
print(f"behaviour {before:.4f}; leader's share {after:.4f}, followers' gap –")
