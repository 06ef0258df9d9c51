"""MAPPO and IPPO of BenchMARL in 1,024 games on tensors, the VMUs sharing a policy.

Needs the extra `benchmarl`: pip install 'aigc-market[benchmarl]'
"""

import tempfile

import torch
from benchmarl.algorithms import IppoConfig, MappoConfig
from benchmarl.experiment import Callback, Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig
from torchrl.envs.utils import ExplorationType, set_exploration_type

import aigc_market
from aigc_market.benchmarl import MarketTask


# Glue: there is one learning rate, and one discount factor.
class TwoSides(Callback):
    """The leader learns slowly, to meet VMUs who know how to answer; VMUs are paid at once."""

    def on_setup(self):
        """Before the first batch."""
        for optimizer in self.experiment.optimizers["asp"].values():
            optimizer.param_groups[0]["lr"] /= 5
        self.experiment.losses["vmu"].make_value_estimator(gamma=0.0)


def result(algorithm: IppoConfig | MappoConfig) -> str:
    """The line of one experiment."""
    task = MarketTask.STACKELBERG.get_task({"K": 2, "history": 1, "max_cycles": 5})
    # No less spread than .2: the leader goes on trying prices, for VMUs to learn to answer.
    algorithm.scale_mapping, algorithm.use_tanh_normal = "biased_softplus_1.0_0.2", False
    config = ExperimentConfig.get_from_yaml()
    config.on_policy_n_envs_per_worker, config.on_policy_collected_frames_per_batch = 1024, 5120
    config.on_policy_n_minibatch_iters, config.on_policy_minibatch_size = 4, 1024
    config.max_n_frames, config.max_n_iters = None, 40
    config.gamma, config.lr = 0.5, 5e-3  # a price is paid one step after it was posted
    config.evaluation, config.loggers, config.create_json = False, [], False
    model = MlpConfig([64, 64], torch.nn.Linear, activation_class=torch.nn.Tanh)
    with tempfile.TemporaryDirectory() as config.save_folder:
        learned = Experiment(task, algorithm, model, 0, config, callbacks=[TwoSides()])
        learned.run()
    env = task.get_env_fun(1024, continuous_actions=True, seed=0, device="cpu")()
    with torch.no_grad(), set_exploration_type(ExplorationType.DETERMINISTIC):
        # VMUs answer prices from 2 to 12, and then the leader's.
        seen = env.reset(options={"price": torch.linspace(2, 12, 1024)})
        infos = env.rollout(10, learned.policy, auto_reset=False, tensordict=seen)["next"]
    leader, followers = infos["asp", "info"], infos["vmu", "info"][:, 0]
    price, kept = leader["price"][:, 0, 0], followers["surplus"]
    lost = aigc_market.regret(env.market, price, followers["steps"]).followers
    gap = (lost / (lost + kept)).mean()
    share = 1 - (leader["regret"] / leader["equilibrium_utility"])[:, -1].mean()
    return f"leader's share {share:.4f}, followers' gap {gap:.2%}"


mappo = result(MappoConfig.get_from_yaml())
print("MAPPO:", mappo)
print(f"IPPO: {result(IppoConfig.get_from_yaml())}; MAPPO: {mappo}")
