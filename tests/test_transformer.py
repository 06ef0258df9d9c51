"""TPPO's policy: its layout, its life as an SB3 policy, and its use outside this project."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.wrappers import FlattenObservation, FrameStackObservation
from stable_baselines3 import A2C, PPO
from torch.nn import functional

from aigc_market.envs.vector import PricingVectorEnv
from aigc_market.sb3 import EncoderDecoder, GymnasiumVecEnv, TransformerPolicy

WIDE = {"query_size": 1, "width": 16, "heads": 2, "layers": 1, "feedforward": 32}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return EncoderDecoder(num_features=15, history=5, **WIDE)


def test_actor_and_critic_read_what_the_whole_network_says(network):
    histories = torch.rand(7, 15)
    actor, critic = network(histories)
    assert actor.shape == critic.shape == (7, 16)
    torch.testing.assert_close(network.forward_actor(histories), actor)
    torch.testing.assert_close(network.forward_critic(histories), critic)


@pytest.mark.parametrize("number", range(15))
def test_every_number_of_the_history_reaches_actor_and_critic(network, number):
    histories = torch.rand(1, 15, requires_grad=True)
    for latent in network(histories):
        [gradient] = torch.autograd.grad(latent[0, 0], histories, retain_graph=True)
        assert gradient[0, number] != 0


def test_the_order_of_rounds_matters(network):
    histories = torch.rand(1, 5, 3)
    swapped = histories[:, [1, 0, 2, 3, 4]]  # the last round, the decoder's query, stays
    for one, other in zip(network(histories.flatten(1)), network(swapped.flatten(1)), strict=True):
        assert not torch.allclose(one, other)


def test_only_the_decoder_queries_with_the_last_price(network):
    histories = torch.rand(1, 15)
    actor, critic = network(histories)
    network.embed_action.weight.data *= -3.0
    changed_actor, changed_critic = network(histories)
    assert not torch.allclose(actor, changed_actor)
    torch.testing.assert_close(critic, changed_critic)


def test_a_learnt_query_takes_the_place_of_the_last_price():
    torch.manual_seed(0)
    network = EncoderDecoder(15, 5, **{**WIDE, "query_size": 0})
    histories = torch.rand(7, 15)
    actor, critic = network(histories)
    assert not any(name.startswith("embed_action") for name in network.state_dict())
    [gradient] = torch.autograd.grad(actor[0, 0], network.query, retain_graph=True)
    assert gradient.abs().max() > 0
    network.query.data += torch.randn(16)
    changed_actor, changed_critic = network(histories)
    assert not torch.allclose(actor, changed_actor)
    torch.testing.assert_close(critic, changed_critic)


def test_attention_is_torchs_own(network, monkeypatch):
    calls = []
    attention = functional.scaled_dot_product_attention

    def counted(*args, **kwargs):
        calls.append(args[0].shape)
        return attention(*args, **kwargs)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", counted)
    network(torch.rand(2, 15))
    assert len(calls) == 3  # in the encoder, in the decoder, and from the decoder to the encoder


@pytest.mark.parametrize(("K", "history"), [(1, 1), (2, 5), (7, 3)])
def test_it_trains_saves_and_loads_as_any_sb3_model(tmp_path, K, history):
    env = GymnasiumVecEnv(PricingVectorEnv(2, K=K, history=history, normalize=True))
    kwargs = {"history": history, **WIDE}
    model = PPO(TransformerPolicy, env, n_steps=8, batch_size=8, policy_kwargs=kwargs, seed=0)
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    model.learn(32)
    moved = [
        name for name, value in model.policy.state_dict().items() if (value != before[name]).any()
    ]
    assert {name.split(".")[1] for name in moved if name.startswith("mlp")} >= {
        "encoder",
        "decoder",
        "embed_round",
        "embed_action",
    }
    model.save(tmp_path / "model")
    loaded = PPO.load(tmp_path / "model", env)
    observations = env.observation_space.sample()[None]
    np.testing.assert_array_equal(
        model.predict(observations, deterministic=True)[0],
        loaded.predict(observations, deterministic=True)[0],
    )
    policy = TransformerPolicy.load(_saved_policy(model, tmp_path))
    assert policy.transformer == model.policy.transformer


def _saved_policy(model, folder):
    path = folder / "policy.pth"
    model.policy.save(path)
    return path


def test_it_plays_gymnasiums_own_environments_under_another_algorithm():
    env = FlattenObservation(FrameStackObservation(gymnasium.make("Pendulum-v1"), 4))
    kwargs = {"history": 4, "query_size": 3, **{k: v for k, v in WIDE.items() if k != "query_size"}}
    A2C(TransformerPolicy, env, n_steps=8, policy_kwargs=kwargs, seed=0, device="cpu").learn(16)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"history": 4}, "history must divide .* 15, got 4"),
        ({"history": 0}, "history must divide .* 15, got 0"),
        ({"history": 5, "query_size": 4}, "query_size must be from 0 to the 3 .* got 4"),
        ({"history": 5, "query_size": -1}, "query_size must be from 0 to the 3 .* got -1"),
        ({"history": 5, "heads": 3}, "heads must divide width = 32, got 3"),
    ],
)
def test_misfits_are_named(arguments, named):
    env = GymnasiumVecEnv(PricingVectorEnv(1, normalize=True))
    with pytest.raises(ValueError, match=named):
        PPO(TransformerPolicy, env, policy_kwargs=arguments, n_steps=4, batch_size=4)
