"""The diffusion policy: equal to the published programs, and its life as an SB3 policy."""

import math
from copy import deepcopy
from itertools import pairwise
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from safetensors.torch import load_file
from stable_baselines3 import DDPG, TD3
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, FlattenExtractor

from aigc_market.sb3 import DiffusionActor, DiffusionPolicy
from aigc_market.sb3.diffusion import betas

# small networks of HongyangDu/GDMOPT and Lizonghang/AGOD, run as they are with given noise; the
# file's metadata names their commits
PUBLISHED = Path(__file__).with_name("published_diffusion.safetensors")
RENAMED = {"time_mlp.1": "time_mlp.0", "time_mlp.3": "time_mlp.2", "mid_layer": "mu"}
SMALL = {"net_arch": [16, 16], "denoising_steps": 3, "time_embedding": 4}
AS_PUBLISHED = {"policy_delay": 1, "target_noise_clip": 0.0}


def actor(features=3, actions=2, **arguments):
    observations = Box(-np.inf, np.inf, (features,), np.float32)
    settings = {"net_arch": [8, 8], "activation_fn": torch.nn.Mish, "time_embedding": 6}
    return DiffusionActor(
        observation_space=observations,
        action_space=Box(-1, 1, (actions,), np.float32),
        features_extractor=FlattenExtractor(observations),
        features_dim=features,
        **(settings | arguments),
    )


class Target(gymnasium.Env):
    """One round: the best action is twice the observation."""

    observation_space = Box(-0.4, 0.4, (1,), np.float32)
    action_space = Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seen = self.np_random.uniform(-0.4, 0.4, 1).astype(np.float32)
        return self.seen, {}

    def step(self, action):
        return self.seen, -float((action - 2 * self.seen).item() ** 2), True, False, {}


def trained(steps=0, algorithm=TD3, **policy):
    settings = {"learning_starts": 20, "batch_size": 16, "seed": 0, "device": "cpu"}
    model = algorithm(DiffusionPolicy, Target(), policy_kwargs=SMALL | policy, **settings)
    return model.learn(steps)


@pytest.mark.parametrize("schedule", ["vp", "linear", "cosine"])
@pytest.mark.parametrize("program", ["gdmopt", "agod"])
def test_with_the_published_weights_and_noise_it_plays_the_published_action(program, schedule):
    kept = load_file(PUBLISHED)
    weights = {}
    for name, values in kept.items():
        if name.startswith(f"{program}/weights/"):
            short = name.split("/")[-1]
            for theirs, ours in RENAMED.items():
                short = short.replace(theirs, ours)
            weights[short] = values
    chain = actor(schedule=schedule, published=program)
    chain.load_state_dict(weights)
    torch.testing.assert_close(betas(schedule, 5), kept[f"{program}/{schedule}/betas"])
    action = chain.denoise(kept[f"{program}/features"], kept[f"{program}/noise"])
    close = {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(action, kept[f"{program}/{schedule}/chain"], **close)
    published = action.softmax(1) if program == "agod" else action
    torch.testing.assert_close(published, kept[f"{program}/{schedule}/action"], **close)


@pytest.mark.parametrize("steps", range(1, 7))
def test_the_variance_preserving_schedule_integrates_its_rate(steps):
    """β_t = 1 − exp(−∫ β(s) ds) over ((t − 1)/T, t/T), β(s) = .1 + 9.9 s (Song et al. 2021)."""
    area = [0.1 * s + 9.9 * s**2 / 2 for s in np.arange(steps + 1) / steps]
    expected = [1 - math.exp(before - after) for before, after in pairwise(area)]
    np.testing.assert_allclose(betas("vp", steps), expected, rtol=1e-5)


def test_the_other_schedules_are_those_of_their_papers():
    np.testing.assert_allclose(betas("linear", 3), [1e-4, 0.01005, 0.02], rtol=1e-5)
    signal = np.cumprod(1 - betas("cosine", 4).numpy().astype(float))
    phases = (np.arange(5) / 4 + 0.008) / 1.008 * math.pi / 2
    expected = np.cos(phases) ** 2 / math.cos(phases[0]) ** 2
    np.testing.assert_allclose(signal[:3], expected[1:4], rtol=1e-5)
    assert betas("cosine", 4)[-1] == pytest.approx(0.999)


def test_one_step_removes_the_noise_predicted():
    chain = actor(denoising_steps=1)
    features, noise = torch.randn(50, 3), 0.3 * torch.randn(1, 50, 2)
    embedding = torch.tensor([0.0, 0, 0, 1, 1, 1]).expand(50, -1)  # sines and cosines of t = 0
    read = [noise[0], chain.time_mlp(embedding), chain.state_mlp(features)]
    predicted = chain.mu(torch.cat(read, dim=1))
    kept = math.exp(-(0.1 + 10) / 2)
    clean = (noise[0] - math.sqrt(1 - kept) * predicted) / math.sqrt(kept)
    assert (clean.abs() < 1).any()
    assert (clean.abs() > 1).any()
    torch.testing.assert_close(chain.denoise(features, noise), clean.clamp(-1, 1))


def test_more_steps_read_all_of_the_noise_and_the_features():
    chain = actor(denoising_steps=4, schedule="linear")
    features = torch.randn(1, 3, requires_grad=True)
    noise = (0.1 * torch.randn(4, 1, 2)).requires_grad_()
    for gradient in torch.autograd.grad(chain.denoise(features, noise).sum(), [features, noise]):
        assert (gradient != 0).all()


@pytest.mark.parametrize("published", ["gdmopt", "agod"])
def test_the_actors_gradient_reaches_all_of_its_parameters(published):
    policy = trained(published=published, schedule="linear").policy
    observations = policy.observation_space.sample()[None].repeat(64, 0)
    observations = torch.as_tensor(observations)
    (-policy.critic.q1_forward(observations, policy.actor(observations)).mean()).backward()
    for name, weights in policy.actor.named_parameters():
        assert weights.grad is not None, name
        assert weights.grad.abs().max() > 0, name


def test_the_actor_ascends_the_least_of_the_critics():
    critic = trained().policy.critic
    critic.q_networks[0][-1].bias.data += 100.0  # so that the first is not the least
    observations, actions = torch.rand(100, 1), torch.rand(100, 1)
    least = critic.q1_forward(observations, actions)
    torch.testing.assert_close(least, critic(observations, actions)[1])


def test_a_sampled_chain_varies_and_a_deterministic_one_does_not():
    model = trained()
    observations = np.full((200, 1), 0.1, np.float32)
    assert model.predict(observations)[0].std() > 0.01
    played = model.predict(observations, deterministic=True)[0]
    assert (played == played[0]).all()
    silent = model.actor.denoise(torch.as_tensor(observations), torch.zeros(3, 200, 1))
    np.testing.assert_allclose(played, silent.detach().clamp(-1, 1), atol=1e-6)


@pytest.mark.parametrize("policy", [{}, {"published": "agod", "schedule": "cosine"}])
def test_saved_and_loaded_it_plays_the_same(policy, tmp_path):
    model = trained(30, **policy)
    model.save(tmp_path / "model")
    model.policy.save(tmp_path / "policy")
    observations = np.linspace(-0.4, 0.4, 9, dtype=np.float32)[:, None]
    loaded = [TD3.load(tmp_path / "model"), DiffusionPolicy.load(tmp_path / "policy")]
    for other in [*loaded, deepcopy(model.policy)]:
        for deterministic in (True, False):
            actions = []
            for player in (model, other):
                torch.manual_seed(5)
                actions.append(player.predict(observations, deterministic=deterministic)[0])
            np.testing.assert_array_equal(*actions)


def test_an_actor_says_how_to_make_it_anew():
    chain = actor(denoising_steps=2, schedule="cosine", published="agod")
    again = DiffusionActor(**chain._get_constructor_parameters())
    again.load_state_dict(chain.state_dict())
    features, noise = torch.randn(5, 3), torch.randn(2, 5, 2)
    torch.testing.assert_close(again.denoise(features, noise), chain.denoise(features, noise))


class Squares(BaseFeaturesExtractor):
    """An observation and its square."""

    def __init__(self, observation_space):
        super().__init__(observation_space, features_dim=2)
        self.scale = torch.nn.Parameter(torch.ones(2))

    def forward(self, observations):
        return torch.cat([observations, observations**2], dim=1) * self.scale


@pytest.mark.parametrize("algorithm", [TD3, DDPG])
def test_it_trains_with_a_features_extractor_of_ones_own(algorithm):
    model = trained(0, algorithm, features_extractor_class=Squares)
    before = deepcopy(model.actor.state_dict())
    model.learn(60)
    for name, weights in model.actor.state_dict().items():
        assert not torch.equal(weights, before[name]), name


def test_it_learns_where_the_best_action_is():
    settings = {"learning_rate": 1e-3, "learning_starts": 100, "gamma": 0.0, "batch_size": 64}
    model = TD3(
        DiffusionPolicy, Target(), policy_kwargs=SMALL, seed=0, **settings, **AS_PUBLISHED
    ).learn(800)
    observations = np.linspace(-0.4, 0.4, 41, dtype=np.float32)[:, None]
    for deterministic in (True, False):
        actions = model.predict(observations, deterministic=deterministic)[0]
        loss = np.square(actions - 2 * observations).mean()
        assert loss < 0.25 * np.square(2 * observations).mean()  # the best constant's loss


@pytest.mark.parametrize(
    "bad",
    [
        {"denoising_steps": 0},
        {"denoising_steps": 2.5},
        {"schedule": "sigmoid"},
        {"schedule": 3},
        {"time_embedding": 2},
        {"time_embedding": 5},
        {"published": "d2sac"},
        {"net_arch": []},
    ],
)
def test_what_makes_no_chain_is_named(bad):
    [(name, value)] = bad.items()
    with pytest.raises((TypeError, ValueError), match=name) as error:
        TD3(DiffusionPolicy, Target(), policy_kwargs=bad)
    assert str(value) in str(error.value)


def test_noise_of_another_shape_is_named():
    with pytest.raises(ValueError, match=r"noise must be of shape \(5, 4, 2\), got \(6, 4, 2\)"):
        actor().denoise(torch.zeros(4, 3), torch.zeros(6, 4, 2))
