"""RLlib's env runners on a Ray cluster of two nodes.

RLlib pins an older Gymnasium, so this wants an environment of its own:
`pip install -e . 'ray[rllib]' torch pytest`, then
`python -m pytest --noconftest tests/test_ray_rllib.py`.
"""

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs the extra 'ray'")
pytest.importorskip("ray.rllib", reason="needs ray[rllib], which pins another Gymnasium")

import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.env.wrappers.pettingzoo_env import PettingZooEnv
from ray.tune.registry import register_env
from ray_nodes import two_nodes

import aigc_market

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]  # RLlib's own are many

ARGUMENTS = {"normalize": True, "scale_rewards": True, "history": 1, "max_cycles": 50}


def test_runners_on_two_nodes_train_leader_and_followers():
    register_env("market", lambda _: PettingZooEnv(aigc_market.env(**ARGUMENTS)))
    config = (
        PPOConfig()
        .environment("market")
        .env_runners(num_env_runners=2, num_envs_per_env_runner=2)
        .multi_agent(policies={"asp", "vmu"}, policy_mapping_fn=lambda agent, *_, **__: agent[:3])
        .training(lr=3e-3, gamma=0.0, train_batch_size_per_learner=1200, minibatch_size=200)
        .debugging(seed=0)
    )
    with two_nodes():
        ray.init(runtime_env={"py_modules": [aigc_market]}, log_to_driver=False)
        algorithm = config.build_algo()
        before = weights(algorithm)
        results = [algorithm.train() for _ in range(2)]
        where = algorithm.env_runner_group.foreach_env_runner(
            lambda _: ray.get_runtime_context().get_node_id(), local_env_runner=False
        )
        after = weights(algorithm)
        algorithm.stop()
    assert len(set(where)) == 2
    sampled = results[-1]["env_runners"]
    assert sampled["num_env_steps_sampled_lifetime"] >= 2400
    assert set(sampled["agent_episode_returns_mean"]) == {"asp_0", "vmu_0", "vmu_1"}
    assert np.isfinite(list(sampled["agent_episode_returns_mean"].values())).all()
    for policy in ("asp", "vmu"):
        assert any((before[policy][name] != after[policy][name]).any() for name in before[policy])
        assert np.isfinite(results[-1]["learners"][policy]["total_loss"])


def weights(algorithm):
    state = algorithm.get_weights()
    return {policy: {n: np.array(v) for n, v in state[policy].items()} for policy in state}
