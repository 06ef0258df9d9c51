"""The leader trained by PPO in one file, in the manner of CleanRL, on the vector environment.

Nothing but torch. The VMUs are scripted (rational), so there is no gap of theirs to report.
"""

import measure  # first, for its clock  # isort: skip

from dataclasses import dataclass

import gymnasium
import torch
from torch import nn
from torch.distributions import Normal

import aigc_market  # noqa: F401 (registers the environment)


@dataclass
class Args:
    """CleanRL's names."""

    seed: int = 1
    total_timesteps: int = 4_000 if measure.SHORT else 60_000
    num_envs: int = 16
    num_steps: int = 25
    learning_rate: float = 3e-3
    gamma: float = 0.0  # a price moves nothing but the reward of its own round
    num_minibatches: int = 4
    update_epochs: int = 4
    clip_coef: float = 0.2
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5


class Agent(nn.Module):
    """Actor and critic, and a standard deviation that does not depend on the state."""

    def __init__(self, observations: int, actions: int) -> None:
        super().__init__()
        self.critic = self._network(observations, 1, 1.0)
        self.actor_mean = self._network(observations, actions, 0.01)
        self.actor_logstd = nn.Parameter(-0.5 * torch.ones(1, actions))

    @staticmethod
    def _network(inputs: int, outputs: int, last_std: float) -> nn.Sequential:
        layers = [nn.Linear(inputs, 64), nn.Linear(64, 64), nn.Linear(64, outputs)]
        for layer, std in zip(layers, (2**0.5, 2**0.5, last_std), strict=True):
            nn.init.orthogonal_(layer.weight, std)
            nn.init.zeros_(layer.bias)
        return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])

    def policy(self, observation: torch.Tensor) -> Normal:
        """Of actions."""
        return Normal(self.actor_mean(observation), self.actor_logstd.exp())


args = Args()
torch.manual_seed(args.seed)
torch.set_num_threads(1)
envs = gymnasium.make_vec(
    "aigc_market/Pricing-v0", num_envs=args.num_envs, normalize=True, scale_rewards=True
)
single = envs.single_observation_space, envs.single_action_space
agent = Agent(single[0].shape[0], single[1].shape[0])
optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)

batch_size = args.num_envs * args.num_steps
iterations = args.total_timesteps // batch_size
obs = torch.zeros(args.num_steps, args.num_envs, *single[0].shape)
actions = torch.zeros(args.num_steps, args.num_envs, *single[1].shape)
rewards = torch.zeros(args.num_steps, args.num_envs)
next_obs = torch.as_tensor(envs.reset(seed=args.seed)[0])
for iteration in range(iterations):
    optimizer.param_groups[0]["lr"] = (1.0 - iteration / iterations) * args.learning_rate
    for step in range(args.num_steps):
        obs[step] = next_obs
        with torch.no_grad():
            actions[step] = agent.policy(next_obs).sample()
        next_obs, reward, *_ = envs.step(actions[step].clamp(-1.0, 1.0).numpy())
        rewards[step], next_obs = torch.as_tensor(reward), torch.as_tensor(next_obs)

    b_obs, b_actions, b_returns = obs.flatten(0, 1), actions.flatten(0, 1), rewards.flatten()
    with torch.no_grad():  # with γ = 0 a return is a reward, whatever λ
        b_logprobs = agent.policy(b_obs).log_prob(b_actions).sum(1)
        b_advantages = b_returns - agent.critic(b_obs).flatten()
    for _ in range(args.update_epochs):
        for mb in torch.randperm(batch_size).chunk(args.num_minibatches):
            ratio = (agent.policy(b_obs[mb]).log_prob(b_actions[mb]).sum(1) - b_logprobs[mb]).exp()
            adv = b_advantages[mb]
            adv = (adv - adv.mean()) / (adv.std() + 1e-8)
            clipped = ratio.clamp(1.0 - args.clip_coef, 1.0 + args.clip_coef)
            pg_loss = -torch.min(adv * ratio, adv * clipped).mean()
            v_loss = 0.5 * (agent.critic(b_obs[mb]).flatten() - b_returns[mb]).square().mean()
            optimizer.zero_grad()
            (pg_loss + args.vf_coef * v_loss).backward()
            nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
            optimizer.step()

env = gymnasium.make("aigc_market/Pricing-v0", normalize=True)


def price() -> float:
    """The last of a few rounds without noise."""
    seen, info = env.reset(seed=0)[0], {}
    for _ in range(measure.ROUNDS):
        with torch.no_grad():
            action = agent.actor_mean(torch.as_tensor(seen)).clamp(-1.0, 1.0).numpy()
        seen, *_, info = env.step(action)
    return info["price"]


print(measure.line(price, None))
