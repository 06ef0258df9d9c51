"""PPO in one file with the settings of CleanRL's script for continuous actions, unchanged.

Needs the extra `sb3`, of it torch alone. The VMUs are scripted (rational), so there is no gap of
theirs to report.
"""

import sys

import gymnasium
import numpy as np
import torch
from gymnasium import wrappers
from torch import nn
from torch.distributions import Normal

import aigc_market  # noqa: F401 (registers the environment)

STEPS = int(sys.argv[1]) if sys.argv[1:] else 20_480
BATCH, MINIBATCHES, EPOCHS, RATE = 2048, 32, 10, 3e-4
GAMMA, LAMBDA, CLIP, VALUE_WEIGHT, LARGEST_GRADIENT = 0.99, 0.95, 0.2, 0.5, 0.5


def network(inputs: int, last_std: float) -> nn.Sequential:
    """Two hidden layers of 64, orthogonal weights."""
    layers = [nn.Linear(inputs, 64), nn.Linear(64, 64), nn.Linear(64, 1)]
    for layer, std in zip(layers, (2**0.5, 2**0.5, last_std), strict=True):
        nn.init.orthogonal_(layer.weight, std)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


def log_prob(observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """Of actions, under the present policy."""
    return Normal(actor(observations), log_std.exp()).log_prob(actions)


torch.manual_seed(1)
env = wrappers.ClipAction(gymnasium.make("aigc_market/Pricing-v0", K=2))
env = normalized = wrappers.NormalizeObservation(env)
env = wrappers.TransformObservation(env, lambda seen: seen.clip(-10, 10), env.observation_space)
env = wrappers.NormalizeReward(env, gamma=GAMMA)
env = wrappers.TransformReward(env, lambda reward: np.clip(reward, -10, 10))
width = env.observation_space.shape[0]
actor, critic, log_std = network(width, 0.01), network(width, 1.0), nn.Parameter(torch.zeros(1))
parameters = [*actor.parameters(), *critic.parameters(), log_std]
optimizer = torch.optim.Adam(parameters, eps=1e-5)

seen, over = env.reset(seed=1)[0], False
for iteration in range(STEPS // BATCH):
    optimizer.param_groups[0]["lr"] = RATE * (1 - iteration / (STEPS // BATCH))
    rows = []
    for _ in range(BATCH):
        if over:
            seen, _ = env.reset()
        observation = torch.as_tensor(seen, dtype=torch.float32)
        with torch.no_grad():
            action = Normal(actor(observation), log_std.exp()).sample()
        seen, reward, _, over, _ = env.step(action.numpy())
        rows.append((observation, action, float(reward), float(over)))
    obs, actions = (torch.stack(column) for column in list(zip(*rows, strict=True))[:2])
    with torch.no_grad():  # generalised advantages; CleanRL takes a truncation for an end
        old = log_prob(obs, actions)
        values = critic(torch.cat([obs, torch.as_tensor(seen, dtype=torch.float32)[None]]))[:, 0]
        advantages, last = torch.zeros(BATCH), 0.0
        for t in reversed(range(BATCH)):
            goes_on = GAMMA * (1 - rows[t][3])
            error = rows[t][2] + goes_on * values[t + 1] - values[t]
            advantages[t] = last = error + goes_on * LAMBDA * last
        returns, before = advantages + values[:-1], values[:-1]
    for _ in range(EPOCHS):
        for mb in torch.randperm(BATCH).chunk(MINIBATCHES):
            gain = (advantages[mb] - advantages[mb].mean()) / (advantages[mb].std() + 1e-8)
            ratio = (log_prob(obs[mb], actions[mb]) - old[mb]).exp()[:, 0]
            goal = torch.min(gain * ratio, gain * ratio.clamp(1 - CLIP, 1 + CLIP)).mean()
            value = critic(obs[mb])[:, 0]
            near = before[mb] + (value - before[mb]).clamp(-CLIP, CLIP)
            errors = torch.max((value - returns[mb]) ** 2, (near - returns[mb]) ** 2)
            optimizer.zero_grad()
            (0.5 * VALUE_WEIGHT * errors.mean() - goal).backward()
            nn.utils.clip_grad_norm_(parameters, LARGEST_GRADIENT)
            optimizer.step()

normalized.update_running_mean = False
seen, over, regret, best = env.reset(seed=0)[0], False, 0.0, 0.0
while not over:
    with torch.no_grad():
        action = actor(torch.as_tensor(seen, dtype=torch.float32)).numpy()
    seen, _, _, over, info = env.step(action)
    regret += info["regret"]
    best += info["equilibrium_utility"]
print(f"price {info['price']:.3f}, equilibrium {info['equilibrium_price']:.3f}")
print(f"leader's share {1 - regret / best:.4f}, followers' gap –")
