"""What is drawn in games on tensors follows from a seed, by TorchRL's rules."""

import pytest
import torch
from tensor_games import random_actions, same
from tensordict import TensorDict

from aigc_market.torchrl import MarketEnv

MOVING = {"scenario": "crowd", "infos": True, "max_cycles": 6}


def play(env, rounds=6):
    """What is told from a reset on."""
    told = [env.reset().clone()]
    for i in range(rounds):
        now = env.step(random_actions(env, i))["next"]
        told.append(now.clone())
    return TensorDict({str(i): told_ for i, told_ in enumerate(told)}, env.batch_size)


def differs(a, b):
    return not torch.equal(a["1", "state"], b["1", "state"])


def test_the_next_seed_is_returned():
    env = MarketEnv(2)
    following = env.set_seed(5)
    assert following not in (None, 5)
    assert env.set_seed(5) == following
    assert env.set_seed(5, static_seed=True) == 5


def test_environments_do_not_disturb_each_other():
    env = MarketEnv(5, seed=3, **MOVING)
    alone = play(env), play(env)
    assert differs(*alone)
    env, other = MarketEnv(5, seed=3, **MOVING), MarketEnv(5, seed=3, **MOVING)
    first = play(env)
    play(other)
    torch.rand(100)  # nor is torch's own stream theirs
    torch.manual_seed(0)
    same(first, alone[0])
    same(play(env), alone[1])


def test_a_seeded_environment_leaves_torchs_stream_alone():
    env = MarketEnv(5, seed=3, **MOVING)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = torch.rand(3)
        torch.manual_seed(0)
        env.reset()
        env.step(random_actions(env))
        env.set_seed(8)
        MarketEnv(2, seed=1)
        assert torch.equal(torch.rand(3), expected)


def test_without_a_seed_it_follows_torchs():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first, second = MarketEnv(5, **MOVING), MarketEnv(5, **MOVING)
        torch.manual_seed(1)
        third = MarketEnv(5, **MOVING)
    runs = [play(env) for env in (first, second, third)]
    same(runs[0], runs[2])
    assert differs(runs[0], runs[1])


@pytest.mark.parametrize("game", ["stackelberg", "competition", "menus"])
def test_all_games_begin_anew_together(game):
    env = MarketEnv(3, game, max_cycles=3, infos=True, seed=0)
    told = env.rollout(8, break_when_any_done=False)
    assert told["next", "truncated"][0, :, 0].tolist() == [False, False, True] * 2 + [False] * 2
    assert not told["next", "terminated"].any()
    rounds = told["next", "asp", "info", "round"]
    assert rounds[0, :, 0].tolist() == [1, 2, 3, 1, 2, 3, 1, 2]
    assert env.rollout(8).shape == (3, 3)  # which stops at the end
    now = env.reset()
    for i in range(4):
        after, now = env.step_and_maybe_reset(now.update(random_actions(env, i)))
        assert bool(after["next", "done"].all()) == (i == 2)
        assert not now["done"].any()


def test_some_games_cannot_begin_alone():
    env = MarketEnv(3)
    env.reset()
    some = torch.tensor([[True], [False], [True]])
    with pytest.raises(ValueError, match=r"_reset must be true for all games.*got 2 of 3"):
        env.reset(TensorDict({"_reset": some}, (3,)))
    env.reset(TensorDict({"_reset": torch.ones(3, 1, dtype=torch.bool)}, (3,)))
