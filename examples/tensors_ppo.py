"""PPO for the leader and for the VMUs, in 1,024 games on tensors (TorchRL).

Needs the extra `torchrl`: pip install 'aigc-market[torchrl]'
"""

import torch
from tensordict import TensorDict
from tensordict.nn import NormalParamExtractor, TensorDictModule
from torchrl.envs.utils import ExplorationType, set_exploration_type
from torchrl.modules import MLP, IndependentNormal, ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss

import aigc_market
from aigc_market.torchrl import MarketEnv

torch.manual_seed(0)
env = MarketEnv(1024, K=2, history=1, normalize=True, scale_rewards=True, infos=True)
actors, critics, losses, optimizers = {}, {}, {}, {}
for group, rate in {"asp": 1e-3, "vmu": 5e-3}.items():  # the leader slowly: two time scales
    width = env.observation_spec[group, "observation"].shape[-1]
    network, value = (
        MLP(width, out, num_cells=[64, 64], activation_class=torch.nn.Tanh) for out in (2, 1)
    )
    network = torch.nn.Sequential(network, NormalParamExtractor(scale_lb=0.2))  # go on exploring
    actors[group] = ProbabilisticActor(
        TensorDictModule(network, ["observation"], ["loc", "scale"]),
        in_keys=["loc", "scale"],
        distribution_class=IndependentNormal,
        return_log_prob=True,
    )
    critics[group] = ValueOperator(value, in_keys=["observation"])
    losses[group] = ClipPPOLoss(
        actors[group], critics[group], entropy_bonus=False, normalize_advantage=True
    )
    optimizers[group] = torch.optim.Adam(losses[group].parameters(), lr=rate)


def policy(seen: TensorDict) -> TensorDict:
    """Actions of all."""
    for group, actor in actors.items():
        seen[group] = actor(seen[group])
    return seen


for _ in range(40):
    with torch.no_grad(), set_exploration_type(ExplorationType.RANDOM):
        batch = env.rollout(5, policy)
    rewards = batch["next"]
    # A price is paid one step after it was posted, and a purchase at once.
    paid = {"asp": rewards["asp", "reward"][:, 1:], "vmu": rewards["vmu", "reward"][:, :-1]}
    for group, loss in losses.items():
        own = batch[group][:, :-1].exclude("info")
        own["value_target"] = paid[group]
        own = own.reshape(-1)
        with torch.no_grad():
            own["advantage"] = own["value_target"] - critics[group](own)["state_value"]
        for _ in range(4):
            for rows in torch.randperm(len(own)).split(2048):
                parts = loss(own[rows])
                (parts["loss_objective"] + parts["loss_critic"]).backward()
                optimizers[group].step()
                optimizers[group].zero_grad()

with torch.no_grad(), set_exploration_type(ExplorationType.DETERMINISTIC):
    # VMUs answer prices from 2 to 12, and then the leader's.
    seen = env.reset(options={"price": torch.linspace(2, 12, 1024)})
    infos = env.rollout(10, policy, auto_reset=False, tensordict=seen)["next"]
leader, followers = infos["asp", "info"], infos["vmu", "info"][:, 0]
price, kept = leader["price"][:, 0, 0], followers["surplus"]
lost = aigc_market.regret(env.market, price, followers["steps"]).followers
gap = (lost / (lost + kept)).mean()
share = 1 - (leader["regret"] / leader["equilibrium_utility"])[:, -1].mean()
print(f"leader's share {share:.4f}, followers' gap {gap:.2%}")
