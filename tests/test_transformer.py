"""TPPO's policy: its layout, its life as an SB3 policy, and its use outside this project."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.wrappers import FlattenObservation, FrameStackObservation
from stable_baselines3 import A2C, PPO
from views import pricing, pricing_lanes

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


def test_every_number_of_the_history_reaches_actor_and_critic(network):
    histories = torch.rand(1, 15, requires_grad=True)
    for latent in network(histories):
        [gradient] = torch.autograd.grad(latent[0, 0], histories, retain_graph=True)
        assert (gradient != 0).all()


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


def test_each_token_is_told_what_stands_in_front():
    torch.manual_seed(0)
    network = EncoderDecoder(num_features=17, history=5, **WIDE, in_front=2)
    behind = EncoderDecoder(num_features=25, history=5, **WIDE)  # with the two in every row
    behind.load_state_dict(network.state_dict())
    front, rows = torch.rand(7, 2), torch.rand(7, 5, 3)
    repeated = torch.cat([rows, front[:, None].expand(-1, 5, -1)], dim=-1).flatten(1)
    flat = torch.cat([front, rows.flatten(1)], dim=-1)
    for one, other in zip(network(flat), behind(repeated), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("history", [1, 2, 3, 5, 6])
def test_a_capacity_is_never_read_as_part_of_a_row(history):
    env = pricing(scenario="capacity", history=history)
    with pytest.raises(ValueError, match=r"in_front must be given|history must divide"):
        PPO(TransformerPolicy, env, policy_kwargs={"history": history}, n_steps=4, batch_size=4)


def test_several_numbers_in_front_are_found_by_their_bounds():
    low, high = np.zeros(8, "f4"), np.array([9, 9, 1, 2, 2, 1, 2, 2], "f4")  # two, and two rows
    spaces = gymnasium.spaces.Box(low, high), gymnasium.spaces.Box(-1, 1, (1,))
    TransformerPolicy(*spaces, lambda _: 1e-3, history=2, in_front=2)
    with pytest.raises(ValueError, match="rows of the same bounds, and those of the 4 numbers"):
        TransformerPolicy(*spaces, lambda _: 1e-3, history=2)


@pytest.mark.parametrize(
    ("arguments", "in_front"),
    [
        ({"K": 1, "history": 1}, 0),
        ({"K": 7, "history": 3}, 0),
        ({"scenario": "capacity", "history": 1}, 1),
        ({"scenario": "capacity", "history": 5}, 1),
    ],
)
def test_it_trains_saves_and_loads_as_any_sb3_model(tmp_path, arguments, in_front):
    env = GymnasiumVecEnv(pricing_lanes(2, normalize=True, **arguments))
    kwargs = {"history": arguments["history"], "in_front": in_front, **WIDE}
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
    model.policy.save(tmp_path / "policy.pth")
    policy = TransformerPolicy.load(tmp_path / "policy.pth")
    assert policy.transformer == model.policy.transformer
    assert policy.transformer["in_front"] == in_front


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
        ({"history": 1}, "in_front must be given where history is 1, .*, got None"),
        ({"history": 5, "in_front": 1}, "history must divide .* in_front = 1 .*, 14, got 5"),
        ({"history": 3, "in_front": 15}, "history must divide .* in_front = 15 .*, 0, got 3"),
        ({"history": 5, "in_front": -1}, "in_front must be .* at least 0, got -1"),
    ],
)
def test_misfits_are_named(arguments, named):
    env = GymnasiumVecEnv(pricing_lanes(1, normalize=True))
    with pytest.raises(ValueError, match=named):
        PPO(TransformerPolicy, env, policy_kwargs=arguments, n_steps=4, batch_size=4)
