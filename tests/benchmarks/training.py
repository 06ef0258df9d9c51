"""Training both sides by IPPO: games on tensors beside one through TorchRL's wrapper, in BenchMARL.

Networks, passes over a batch and parts of it in a pass are the same on both sides.
"""

import tempfile
import time
import warnings

import torch
from measure import Row
from torchrl.envs import PettingZooWrapper

import aigc_market

with warnings.catch_warnings():
    # TorchRL makes classes of its own that it deprecates.
    warnings.filterwarnings("ignore", r"Creating \w+ which inherits from WeightUpdaterBase")
    from benchmarl.algorithms import IppoConfig
    from benchmarl.environments.pettingzoo.common import PettingZooClass
    from benchmarl.experiment import Experiment, ExperimentConfig
    from benchmarl.models.mlp import MlpConfig

    from aigc_market.benchmarl import MarketTask

GAME = {"K": 2, "history": 1, "normalize": True, "scale_rewards": True}
FOLDER = tempfile.TemporaryDirectory()  # removed as Python ends


class StackelbergTask(PettingZooClass):
    """One parallel game after another through TorchRL's wrapper of PettingZoo."""

    def get_env_fun(self, num_envs, continuous_actions, seed, device):
        return lambda: PettingZooWrapper(
            aigc_market.parallel_env(**self.config), return_state=True, seed=seed, device=device
        )

    def supports_continuous_actions(self):
        return True

    def supports_discrete_actions(self):
        return False

    def has_state(self):
        return True

    def has_render(self, env):
        return False

    @staticmethod
    def env_name():
        return "aigc_market"


def experiment(task, games, rounds):
    """Rounds of training for a few batches, without what it takes to set up."""
    config = ExperimentConfig.get_from_yaml()
    config.save_folder, config.loggers, config.create_json = FOLDER.name, [], False
    config.evaluation, config.gamma = False, 0.3
    config.max_n_frames, config.max_n_iters = None, 3
    config.on_policy_n_envs_per_worker = games
    config.on_policy_collected_frames_per_batch = games * rounds
    config.on_policy_n_minibatch_iters, config.on_policy_minibatch_size = 4, games * rounds // 2
    model = MlpConfig([64, 64], torch.nn.Linear, activation_class=torch.nn.Tanh)

    def side(seconds):
        learned = Experiment(task, IppoConfig.get_from_yaml(), model, seed=0, config=config)
        began = time.process_time()
        learned.run()
        return (time.process_time() - began) / learned.total_frames

    side(0)  # fills caches
    return side


def training():
    """Of 1,024 games × 5 rounds a batch on tensors, and of 5 episodes × 60 rounds one by one."""
    one_game = StackelbergTask("STACKELBERG", {**GAME, "max_cycles": 60})
    task = MarketTask.STACKELBERG.get_task({**GAME, "max_cycles": 5})
    return experiment(task, 1024, 5), experiment(one_game, 5, 60)


ROWS = [
    Row(
        "training",
        "≥ 50",
        "rounds of training both sides, 1,024 games, against one parallel game, BenchMARL's IPPO",
        training,
        slices=5,
    ),
]
