"""Games on tensors as environments of TorchRL: specs, transforms, collectors, bad input."""

import pickle
import re
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from tensor_games import random_actions, same
from tensordict import TensorDict

from aigc_market import Drawn, Scenario, Uniform, competition_v0, menus_v0, parallel_env
from aigc_market.distributions import DemandShare, Distribution, DrawnQuadratic, SharedLevel
from aigc_market.moves import Move
from aigc_market.torchrl import MarketEnv

with warnings.catch_warnings():
    # It warns of itself as it is imported.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    from torchrl.collectors import Collector

GAMES = ["stackelberg", "competition", "menus"]


@pytest.mark.parametrize(
    ("game", "make", "arguments"),
    [
        ("stackelberg", parallel_env, {"K": 3, "scenario": "crowd"}),
        ("stackelberg", parallel_env, {"K": 3, "normalize": True}),
        ("competition", competition_v0.parallel_env, {"M": 3, "outside": 1.0}),
        ("menus", menus_v0.parallel_env, {"K": 3, "scenario": "hidden", "contracts": 2}),
        ("menus", menus_v0.parallel_env, {"normalize": True, "followers": "best_response"}),
    ],
)
def test_groups_and_bounds_are_the_parallel_environments(game, make, arguments):
    env, parallel = MarketEnv(2, game, **arguments), make(**arguments)
    assert [a for group in env.group_map.values() for a in group] == parallel.possible_agents
    for group, agents in env.group_map.items():
        for kind, spaces in (
            ("observation", parallel.observation_spaces),
            ("action", parallel.action_spaces),
        ):
            spec = env.full_action_spec if kind == "action" else env.observation_spec
            spec = spec[group, kind]
            for i, agent in enumerate(agents):
                if hasattr(spaces[agent], "n"):  # contracts are numbers for everybody
                    assert spec.space.n == spaces[agent].n
                    continue
                np.testing.assert_array_equal(spec.space.low[0, i], spaces[agent].low)
                np.testing.assert_array_equal(spec.space.high[0, i], spaces[agent].high)
    np.testing.assert_array_equal(
        env.observation_spec["state"].space.high[1], parallel.state_space.high
    )


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_collector_plays_on_from_episode_to_episode(game, dtype):
    env = MarketEnv(4, game, max_cycles=3, infos=True, dtype=dtype, seed=1)
    collector = Collector(env, None, frames_per_batch=4 * 7, total_frames=4 * 14)
    batches = [batch.clone() for batch in collector]
    collector.shutdown()
    told = torch.cat(batches, 1)
    assert told.shape == (4, 14)
    ends = [i % 3 == 2 for i in range(14)]
    assert told["next", "done"].squeeze(-1).tolist() == [ends] * 4
    assert (
        told["next", "asp", "info", "round"][:, :, 0].tolist()
        == [[1 + i % 3 for i in range(14)]] * 4
    )
    assert told["next", "vmu", "observation"].dtype == dtype
    # What follows an end is the beginning of another episode, and all else what was seen next.
    for i, end in enumerate(ends[:-1]):
        same = torch.equal(told["state"][:, i + 1], told["next", "state"][:, i])
        assert same == (not end)


def test_actions_that_were_played_may_be_written_over():
    """As collectors do, which keep one buffer for them."""
    env = MarketEnv(2, continuous_actions=True)
    now = env.reset()
    actions = random_actions(env)
    after = env.step(now.update(actions))["next"].clone()
    price = after["asp", "observation"][:, 0, 0].clone()
    actions["asp", "action"].zero_()
    nobody = env.step(after.update(random_actions(env, 1)))["next"]
    torch.testing.assert_close(nobody["asp", "observation"][:, 0, -3], price)


def test_options_may_be_written_over():
    env = MarketEnv(2, vmu_reward="utility")
    options = {"satisfaction": torch.tensor([[100.0, 200.0], [50.0, 70.0]]), "cost": np.ones(2)}
    seen = env.reset(options=options)["vmu", "observation"][..., 0].tolist()
    for value in options.values():
        value *= 0.5
    after = env.step(random_actions(env))["next"]
    assert after["vmu", "observation"][..., 0].tolist() == seen
    assert env.market.cost.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"render_mode": "human"}, "render_mode must be None"),
        ({"satisfaction": lambda rng: 200.0}, "satisfaction must be numbers or made of laws"),
        (
            {"satisfaction": SharedLevel(Drawn(1, 2, lambda rng: 1.5), spread=0.1)},
            "satisfaction must be numbers or made of laws such as Uniform",
        ),
        (
            {"ssim": DrawnQuadratic(Drawn(1e-4, 2e-4, lambda rng: 1e-4), Uniform(0.05, 0.1))},
            "ssim must be numbers or made of laws such as Uniform",
        ),
        ({"game": "competition", "vmu_reward": "utility"}, "'vmu_reward' is not a parameter"),
    ],
)
def test_what_games_on_tensors_cannot_be(arguments, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        MarketEnv(**{"num_envs": 2, **arguments})


@dataclass(frozen=True)
class OfGamma(Distribution):
    """A law that asks for more than there is on tensors."""

    def draw(self, rng, shape):
        return rng.gamma(2.0, size=shape)


def test_a_law_that_draws_otherwise():
    env = MarketEnv(2, satisfaction=OfGamma(1.0, 100.0))
    with pytest.raises(AttributeError, match=r"random, uniform, standard_normal or .* got 'gamma'"):
        env.reset()


@pytest.mark.parametrize("shape", [(3, 1, 2), (3, 2, 1), (3, 1), None])
def test_actions_of_another_shape(shape):
    env = MarketEnv(3)
    told = env.rand_action(env.reset())
    del told["asp", "action"]
    if shape is not None:
        told["asp"] = TensorDict({"action": torch.ones(shape)})
    got = "none" if shape is None else f"one of shape {shape}"
    message = f"('asp', 'action') must have shape (3, 1, 1), got {got}"
    with pytest.raises(ValueError, match=re.escape(message)):
        env.step(told)


def test_actions_of_another_precision():
    envs = [MarketEnv(3, seed=1) for _ in range(2)]
    paid = []
    for env, kind in zip(envs, (torch.float32, torch.float64), strict=True):
        told = env.reset()
        told["asp", "action"] = torch.full((3, 1, 1), 7.3, dtype=kind)
        told["vmu", "action"] = torch.full((3, 2, 1), 70.1, dtype=kind)
        paid.append(env.step(told)["next"])
    same(*paid)


def test_what_an_environment_says_of_itself():
    env = MarketEnv(3, "competition", scenario="road", K=5)
    assert str(env) == (
        "MarketEnv(3, 'competition', 'cpu', scenario='road', agents={'asp': 2, 'vmu': 5})"
    )


@pytest.mark.parametrize("arguments", [{"scenario": "live"}, {"ssim": "repaint"}])
def test_live_images_are_not_batched_over_games(arguments):
    pytest.importorskip("diffusers")
    with pytest.raises(ValueError, match="images are not batched over games"):
        MarketEnv(2, **arguments)


BAD_OPTIONS = {
    "stackelberg": [
        ({"price": 99.0}, "price must be one number"),
        ({"price": [2.0, 3.0]}, "price must be one number"),
        ({"price": "high"}, "price must be finite numbers"),
        ({"price": float("nan")}, "price must be finite numbers"),
        ({"cost": 3.0, "price": 2.0}, "price must be one number"),
        ({"max_steps": torch.ones(3) * 251}, "max_steps must stay within"),
        ({"cost": np.ones(5)}, "must agree on the leading (batch) axes"),
    ],
    "competition": [
        ({"price": [2.0, 99.0]}, "price must be one number"),
        ({"price": [2.0, 3.0, 4.0]}, "price must be one number"),
        ({"outside": 1.0}, "outside must be None"),
    ],
    "menus": [
        ({"menu": [[9.0, 20.0]] * 2}, "menu must hold contracts (S, T) of shape (3, 3, 2)"),
        ({"menu": [[251.0, 20.0]] * 3}, "menu must hold contracts (S, T)"),
        ({"menu": [[25.0, 3e3]] * 3}, "fees of at most 1616.38"),
        ({"menu": torch.full((3, 3, 2), float("nan"))}, "menu must be finite numbers"),
        ({"menu": -np.ones((3, 2))}, "menu must be finite numbers at least 0"),
        ({"max_steps": 251.0}, "max_steps must stay within"),
    ],
}


@pytest.mark.parametrize("game", BAD_OPTIONS)
def test_bad_options_change_nothing(game):
    """Neither the episode nor the stream."""
    laws = {"satisfaction": Uniform(100, 200), "seed": 1, "judged": False}
    envs = [MarketEnv(3, game, **laws) for _ in range(2)]
    for env in envs:
        env.reset()
    for options, message in BAD_OPTIONS[game]:
        with pytest.raises((TypeError, ValueError), match=re.escape(message)):
            envs[0].reset(options=options)
    for i in range(2):
        same(*(env.step(random_actions(env, i))["next"] for env in envs))
    same(*(env.reset() for env in envs))


def test_options_that_are_none():
    scripted = MarketEnv(2, "competition", followers="best_response")
    with pytest.warns(UserWarning, match="reset option 'price' is unknown and ignored"):
        scripted.reset(options={"price": 2.0})
    with pytest.raises(TypeError, match="options must be a dict, got 3"):
        scripted.reset(options=3)
    with pytest.raises(TypeError, match=r"reset takes options=.*, got seed"):
        scripted.reset(seed=3)


def test_options_of_any_precision():
    env = MarketEnv(3, K=2)
    for kind in (np.float64, np.float32, torch.float64, torch.float16):
        make = torch.tensor if isinstance(kind, torch.dtype) else np.array
        rows = make([[100.0, 200.0]] * 3, dtype=kind)
        told = env.reset(options={"satisfaction": rows, "price": make([2.0, 3.0, 4.0], dtype=kind)})
        assert told["vmu", "observation"].dtype == torch.float32
        assert told["asp", "observation"][:, 0, 0].tolist() == [2.0, 3.0, 4.0]
        after = env.step(told.update(random_actions(env)))["next"]
        assert after["vmu", "reward"].dtype == torch.float32
    assert env.reset(options={"price": 4})["asp", "observation"][:, 0, 0].tolist() == [4.0] * 3


def test_games_stay_where_they_were_made():
    env = MarketEnv(2)
    assert env.to("cpu") is env
    with pytest.raises(ValueError, match="device must be 'cpu', where the games were made"):
        env.to("meta")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("max_price", [8.06, 20.0, 25.95])
def test_what_is_seen_at_the_highest_price_lies_in_its_spec(game, dtype, max_price):
    odd = {"max_price": max_price, "max_steps": 233.3, "satisfaction": 271.83, "judged": False}
    env = MarketEnv(2, game, dtype=dtype, normalize=True, seed=0, history=1, **odd)
    env.reset()
    acts = env.full_action_spec.rand()
    for group in ("asp", "vmu"):
        acts[group, "action"].fill_(1.0)
    seen = env.step(acts)["next"]
    for key in (("asp", "observation"), ("vmu", "observation"), "state"):
        assert env.observation_spec[key].is_in(seen[key])


def test_the_first_price_is_one_that_may_be_posted():
    """Between bounds that are all but one number, a sum in single precision lies above both."""
    env = MarketEnv(50, cost=0.0018542574886338992, max_price=0.0018542576740596482, seed=0)
    key = "asp", "observation"
    assert env.observation_spec[key].is_in(env.reset()[key])


class Top(Move):
    """δ grows at once to the most that is stated."""

    factor_bounds = (1.0, 1.3)

    def advance(self, state, rng):
        self.factor = 1.3 + 0.0 * state.satisfaction[..., :1]


def test_the_most_that_markets_may_be_lies_in_the_specs():
    """In single precision products of bounds lie a digit beyond the bounds of products."""
    bought = {"min_steps": 42.1, "max_steps": 42.1, "K": 7}
    share = DemandShare(Uniform(1.85160851, 1.85160851))
    for delta in np.linspace(100, 200, 7):
        law = {"satisfaction": Uniform(delta, delta), "scenario": Scenario("top", moves=[Top()])}
        env = MarketEnv(1, capacity=share, seed=0, **law, **bought)
        seen = env.rollout(2)
        for key in (("asp", "observation"), ("vmu", "observation"), "state"):
            assert env.observation_spec[key].is_in(seen["next", key][:, -1])


def test_a_pickled_game_whose_capacity_is_a_number_goes_on_alike():
    env = MarketEnv(50, scenario="shift", capacity=106.41038417816162, seed=0)
    env.reset()
    twin = pickle.loads(pickle.dumps(env))
    for number in range(3):
        acts = random_actions(env, number)
        same(*(game.step(acts.clone())["next"] for game in (env, twin)))
