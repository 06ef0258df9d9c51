"""Rounds a second of training both sides by PPO: games on tensors beside one through PettingZoo.

Run with `pytest tests/benchmarks/test_training_speed.py --override-ini addopts=`, on a quiet
machine. Networks, passes over a batch and parts of it in a pass are the same on both sides. Seconds
are CPU seconds of one thread.
"""

import time
import warnings

import pytest
import torch
from tensordict import TensorDict
from tensordict.nn import NormalParamExtractor, TensorDictModule
from torchrl.envs import PettingZooWrapper
from torchrl.envs.utils import ExplorationType, set_exploration_type
from torchrl.modules import MLP, IndependentNormal, ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss

import aigc_market
from aigc_market.torchrl import MarketEnv

with warnings.catch_warnings():
    # TorchRL makes classes of its own that it deprecates.
    warnings.filterwarnings("ignore", r"Creating \w+ which inherits from WeightUpdaterBase")
    from benchmarl.algorithms import IppoConfig
    from benchmarl.environments.pettingzoo.common import PettingZooClass
    from benchmarl.experiment import Experiment, ExperimentConfig
    from benchmarl.models.mlp import MlpConfig

    from aigc_market.benchmarl import MarketTask

pytestmark = [
    pytest.mark.filterwarnings("ignore:SyncDataCollector has been deprecated"),
    pytest.mark.filterwarnings("ignore:.*PettingZoo in TorchRL is tested using version"),
]

K = 2
GROUPS = {"asp": ["asp_0"], "vmu": [f"vmu_{k}" for k in range(K)]}
GAME = {"K": K, "history": 1, "normalize": True, "scale_rewards": True}
GAMES, ROUNDS = 1024, 300
"""How many games there are on tensors; how many rounds a batch has of one game."""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def seconds_a_round(train):
    began = time.process_time()
    rounds = train()
    return (time.process_time() - began) / rounds


class Learner:
    """A group's actor and critic, and what trains them."""

    def __init__(self, width):
        network, value = (
            MLP(width, out, num_cells=[64, 64], activation_class=torch.nn.Tanh) for out in (2, 1)
        )
        network = torch.nn.Sequential(network, NormalParamExtractor(scale_lb=0.2))
        self.actor = ProbabilisticActor(
            TensorDictModule(network, ["observation"], ["loc", "scale"]),
            in_keys=["loc", "scale"],
            distribution_class=IndependentNormal,
            return_log_prob=True,
        )
        self.critic = ValueOperator(value, in_keys=["observation"])
        self.loss = ClipPPOLoss(
            self.actor, self.critic, entropy_bonus=False, normalize_advantage=True
        )
        self.optimizer = torch.optim.Adam(self.loss.parameters(), lr=1e-3)

    def learn(self, played, paid):
        """Four passes over a batch, each in two parts."""
        own = played.select("observation", "action", "action_log_prob")
        own["value_target"] = paid
        own = own.reshape(-1)
        with torch.no_grad():
            own["advantage"] = paid.reshape(-1, 1) - self.critic(own)["state_value"]
        for _ in range(4):
            for rows in torch.randperm(len(own)).chunk(2):
                parts = self.loss(own[rows])
                (parts["loss_objective"] + parts["loss_critic"]).backward()
                self.optimizer.step()
                self.optimizer.zero_grad()


def training(env, steps, turns_a_round=1):
    """A function that collects a batch and learns from it: how many rounds that was.

    Args:
        env: with the groups of `GROUPS`.
        steps: of a batch, which is one episode.
        turns_a_round: above 1, the steps are turns, and rewards come with the last of a round; else
            leaders are paid a step later.
    """
    learners = {
        group: Learner(env.observation_spec[group, "observation"].shape[-1]) for group in GROUPS
    }

    def policy(seen: TensorDict) -> TensorDict:
        for group, learner in learners.items():
            seen[group] = learner.actor(seen[group])
        return seen

    def train():
        with torch.no_grad(), set_exploration_type(ExplorationType.RANDOM):
            batch = env.rollout(steps, policy)
        assert batch.shape[-1] == steps
        for group, learner in learners.items():
            own, paid = batch[group], batch["next", group, "reward"]
            if turns_a_round > 1:
                acting = own["mask"]
                paid = paid.unflatten(0, (-1, turns_a_round)).sum(1)
                paid = paid.repeat_interleave(turns_a_round, 0)
                own, paid = own[acting], paid[acting]
            elif group == "asp":
                own, paid = own[..., :-1, :], paid[..., 1:, :, :]
            learner.learn(own, paid)
        return batch.numel() // turns_a_round

    return train


@pytest.mark.parametrize("view", ["AEC", "parallel"])
def test_r_rounds_of_training_by_torchrl(compare, view):
    one_game = {**GAME, "max_cycles": ROUNDS}
    if view == "AEC":
        env = aigc_market.env(**one_game)
        env = PettingZooWrapper(env, use_mask=True, done_on_any=False, group_map=GROUPS)
        peer = training(env, ROUNDS * (1 + K), turns_a_round=1 + K)
    else:
        peer = training(PettingZooWrapper(aigc_market.parallel_env(**one_game)), ROUNDS)
    compare(
        f"r  rounds/s of PPO for both sides, {GAMES} games, against the {view} game, TorchRL",
        "≥ 50",
        training(MarketEnv(GAMES, **GAME, state=False), 5),
        peer,
        measure=seconds_a_round,
        repeats=5,
    )


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


def experiment(task, games, rounds, folder):
    """A function that trains for a few batches: seconds a round, without those of setting up."""
    config = ExperimentConfig.get_from_yaml()
    config.save_folder, config.loggers, config.create_json = str(folder), [], False
    config.evaluation, config.gamma = False, 0.3
    config.max_n_frames, config.max_n_iters = None, 3
    config.on_policy_n_envs_per_worker = games
    config.on_policy_collected_frames_per_batch = games * rounds
    config.on_policy_n_minibatch_iters, config.on_policy_minibatch_size = 4, games * rounds // 2
    model = MlpConfig([64, 64], torch.nn.Linear, activation_class=torch.nn.Tanh)

    def train():
        learned = Experiment(task, IppoConfig.get_from_yaml(), model, seed=0, config=config)
        return seconds_a_round(lambda: learned.run() or learned.total_frames)

    return train


def test_s_rounds_of_training_by_benchmarl(compare, tmp_path):
    one_game = StackelbergTask("STACKELBERG", {**GAME, "max_cycles": 60})
    task = MarketTask.STACKELBERG.get_task({**GAME, "max_cycles": 5})
    compare(
        f"s  rounds/s of IPPO for both sides, {GAMES} games, against the parallel game, BenchMARL",
        "≥ 50",
        experiment(task, GAMES, 5, tmp_path),
        experiment(one_game, 5, 60, tmp_path),
        measure=lambda run: run(),
        repeats=5,
    )
