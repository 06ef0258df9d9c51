"""The parallel game as a task of BenchMARL: MAPPO and IPPO, the VMUs sharing a policy."""

import measure  # first, for its clock  # isort: skip

import sys
import tempfile
from collections.abc import Callable

import numpy as np
import torch
from benchmarl.algorithms import IppoConfig, MappoConfig
from benchmarl.environments.pettingzoo.common import PettingZooClass
from benchmarl.experiment import Callback, Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig
from tensordict import TensorDict
from torchrl.envs import EnvBase, PettingZooWrapper
from torchrl.envs.utils import ExplorationType, set_exploration_type

import aigc_market

ARGUMENTS = {"normalize": True, "scale_rewards": True, "history": 1, "max_cycles": 50}
SLOW, FAST = measure.learning_rates(leader=5e-4, followers=3e-3)


# Glue: what BenchMARL asks of a task.
class StackelbergTask(PettingZooClass):
    """BenchMARL's task for PettingZoo's own games, with another game in it."""

    def get_env_fun(
        self, num_envs: int, continuous_actions: bool, seed: int | None, device: str
    ) -> Callable[[], EnvBase]:
        """A function that makes one environment; BenchMARL puts several side by side."""
        return lambda: PettingZooWrapper(
            aigc_market.parallel_env(continuous_actions=continuous_actions, **self.config),
            return_state=True,
            seed=seed,
            device=device,
        )

    def supports_continuous_actions(self) -> bool:
        """They are the default."""
        return True

    def supports_discrete_actions(self) -> bool:
        """A grid of prices and whole numbers of steps."""
        return True

    def has_state(self) -> bool:
        """For MAPPO's critic."""
        return True

    def has_render(self, env: EnvBase) -> bool:
        """Only as text."""
        return False

    @staticmethod
    def env_name() -> str:
        """Of the folder that results go to."""
        return "aigc_market"


# Glue: there is one learning rate.
class TwoTimeScales(Callback):
    """The leader learns slowly: its price should meet followers who know how to answer it."""

    def on_setup(self) -> None:
        """Before the first batch."""
        for optimizer in self.experiment.optimizers["asp"].values():
            for group in optimizer.param_groups:
                group["lr"] = SLOW


def train(algorithm: IppoConfig | MappoConfig, folder: str) -> Experiment:
    """One experiment of a minute or so."""
    # No less spread than .3: the leader goes on trying prices, for followers to learn to answer.
    algorithm.scale_mapping, algorithm.lmbda = "biased_softplus_1.0_0.3", 0.5
    config = ExperimentConfig.get_from_yaml()
    config.save_folder, config.loggers, config.create_json = folder, [], False
    config.evaluation = config.render = False
    config.gamma, config.lr = 0.3, FAST  # a price is paid in the step after it was posted
    config.max_n_frames, config.max_n_iters = None, 1 if measure.SHORT else 30
    config.on_policy_collected_frames_per_batch = 500
    config.on_policy_n_envs_per_worker = 5
    config.on_policy_n_minibatch_iters = 10
    config.on_policy_minibatch_size = 125
    model = MlpConfig([64, 64], torch.nn.Linear, activation_class=torch.nn.Tanh)
    experiment = Experiment(
        StackelbergTask("stackelberg_v0", ARGUMENTS),
        algorithm,
        model,
        seed=0,
        config=config,
        callbacks=[TwoTimeScales()],
    )
    experiment.run()
    return experiment


def result(experiment: Experiment) -> str:
    """The line of one experiment."""

    def act(agent: str, observation: np.ndarray) -> np.ndarray:
        group, k = agent.split("_")
        number = len(experiment.group_map[group])
        seen = torch.as_tensor(observation).expand(number, -1)
        seen = TensorDict({group: TensorDict({"observation": seen}, number)})
        with torch.no_grad(), set_exploration_type(ExplorationType.DETERMINISTIC):
            return experiment.group_policies[group](seen)[group, "action"][int(k)].numpy()

    return measure.line(*measure.played(aigc_market.parallel_env(**ARGUMENTS), act))


torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as folder:
    mappo = result(train(MappoConfig.get_from_yaml(), folder))
    print("MAPPO:", mappo, file=sys.stderr)
    ippo = result(train(IppoConfig.get_from_yaml(), folder))
print(f"IPPO: {ippo}; MAPPO: {mappo}")
