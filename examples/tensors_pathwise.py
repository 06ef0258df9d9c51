"""Both sides follow the gradient of what they earn, through 1,024 games on tensors (TorchRL).

VMUs climb their own surplus, and the leader its utility through the VMUs' *answer* to its price.
Needs the extra `torchrl`: pip install 'aigc-market[torchrl]'
"""

import torch
from tensordict import TensorDict
from torchrl.modules import MLP

import aigc_market
from aigc_market.torchrl import MarketEnv

torch.manual_seed(0)
env = MarketEnv(
    1024, K=2, history=1, normalize=True, scale_rewards=True, infos=True, differentiable=True
)
networks, optimizers = {}, []
for group, rate in {"asp": 3e-4, "vmu": 3e-3}.items():  # the leader slowly: two time scales
    width = env.observation_spec[group, "observation"].shape[-1]
    networks[group] = MLP(width, 1, num_cells=[64, 64], activation_class=torch.nn.Tanh)
    optimizers.append(torch.optim.Adam(networks[group].parameters(), lr=rate))


def policy(seen: TensorDict) -> TensorDict:
    """Actions of all, without noise: a reset draws prices of all heights to answer."""
    for group, network in networks.items():
        seen[group, "action"] = network(seen[group, "observation"])
    return seen


for _ in range(120):
    rewards = env.rollout(3, policy)["next"]
    # A price is paid one step after it was posted: the first rewards are not of the leader's.
    goals = {"vmu": rewards["vmu", "reward"], "asp": rewards["asp", "reward"][:, 1:]}
    for group, goal in goals.items():
        weights = list(networks[group].parameters())
        (-goal.mean()).backward(inputs=weights, retain_graph=True)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()

with torch.no_grad():  # VMUs answer prices from 2 to 12, and then the leader's
    seen = env.reset(options={"price": torch.linspace(2, 12, 1024)})
    infos = env.rollout(10, policy, auto_reset=False, tensordict=seen)["next"]
leader, followers = infos["asp", "info"], infos["vmu", "info"][:, 0]
price, kept = leader["price"][:, 0, 0], followers["surplus"]
lost = aigc_market.regret(env.market, price, followers["steps"]).followers
gap = (lost / (lost + kept)).mean()
share = 1 - (leader["regret"] / leader["equilibrium_utility"])[:, -1].mean()
print(f"leader's share {share:.4f}, followers' gap {gap:.2%}")
