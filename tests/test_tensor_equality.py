"""Games on tensors against parallel environments of the same markets, prices and purchases.

Generators differ, so markets here are drawn by laws that give what they are told, and move by
moves that count. That laws of chance are the same is tested in `test_tensor_laws.py`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from tensor_games import TABLE, agree
from tensordict import TensorDict
from views import COMPETITION, MENUS, PRICING

from aigc_market import Scenario, menus_v0
from aigc_market.distributions import DemandShare, Distribution, DrawnQuadratic
from aigc_market.moves import Move
from aigc_market.ssim import QuadraticSSIM, SaturatingSSIM
from aigc_market.torchrl import MarketEnv

# What the parallel environment shows is of single precision, and so is what it takes for a rational
# purchase. Utilities go up to 2,000 a VMU, and are differences of larger numbers.
SINGLE = {"rtol": 1e-4, "atol": 1e-4}
DOUBLE = {"rtol": 1e-6, "atol": 1e-6}
N = 3
TWO_MODELS = [QuadraticSSIM(-0.000174, 0.075), QuadraticSSIM(-0.0003, 0.09, 0.4)]
PARALLEL = {"stackelberg": PRICING["parallel"], "competition": COMPETITION["parallel of several"]}
PARALLEL |= {"menus": MENUS["parallel of menus"]}


@dataclass(frozen=True)
class Given(Distribution):
    """A law that gives what it is told, and to those who ask for other markets its least."""

    values: Any

    def draw(self, rng, shape):
        values = self.values if tuple(self.values.shape) == shape else self.low
        return 0.0 * rng.random(shape) + values


class Counting(Move):
    """δ rises and falls, VMUs come and go, or units come nearer, each game in a turn of its own."""

    factor_bounds = (0.5, 2.0)
    most_access_cost = 50.0

    def __init__(self, turn, comings=False, ways=False):
        self.turn, self.sets_active, self.sets_access_cost = turn, comings, ways

    def begin(self, state, rng):
        self.round, self.first = -1, state.access_cost
        self.advance(state, rng)

    def advance(self, state, rng):
        self.round += 1
        turn = (self.round + self.turn) % 4  # (…, 1)
        self.factor = 0.5 + 0.5 * turn
        if self.sets_active:
            slots = np.arange(state.satisfaction.shape[-1])
            state.active = (
                turn + (slots if isinstance(turn, np.ndarray) else _tensor(slots))
            ) % 3 > 0
        if self.sets_access_cost:
            state.access_cost = self.first + 10.0 * turn[..., None]


def _tensor(values):
    return torch.as_tensor(np.asarray(values), dtype=torch.float64)


def moving(game, of, convert, moves):
    """The scenario of some games (an index of N of them, or a slice), of NumPy or of tensors."""
    rng = np.random.default_rng(0)

    def given(low, high, *shape):
        return Given(low, high, convert(rng.uniform(low, high, (N, *shape))[of]))

    arguments = {
        "K": 4,
        "satisfaction": given(80.0, 400.0, 4),
        "ssim": DrawnQuadratic(given(1.2e-4, 4e-4, 1), given(0.05, 0.12, 1)),
    }
    if game == "stackelberg":
        arguments["capacity"] = DemandShare(given(0.4, 1.0))
    turn = convert(np.arange(float(N))[:, None][of])
    return Scenario("given", arguments=arguments, moves=(Counting(turn, **moves),) * bool(moves))


class Twins:
    """N games on tensors, and N parallel environments of the same markets."""

    def __init__(self, game, dtype=torch.float64, moves=None, **arguments):
        self.player = PARALLEL[game]
        one, all_of_them = [{}] * N, {}
        if moves is not None:
            one = [{"scenario": moving(game, i, np.asarray, moves)} for i in range(N)]
            all_of_them = {"scenario": moving(game, slice(None), _tensor, moves)}
        self.parallel = [self.player.make(**arguments, **own) for own in one]
        self.tensors = MarketEnv(N, game, dtype=dtype, infos=True, **arguments, **all_of_them)
        self.agents, self.market = self.tensors.group_map, self.parallel[0].market
        self.leaders = () if game == "stackelberg" else (len(self.agents["asp"]),)

    def play(self, views, rewards, options=None, **of_each):
        """An episode to its end, comparing all that is told.

        Args:
            views: how close observations are.
            rewards: how close rewards and infos are.
            options: of the reset, the same in all games.
            of_each: options of each game, (N, …) arrays.
        """
        rounds, given = self.parallel[0].max_cycles, {**(options or {}), **of_each}
        if "vmu" in self.agents:
            first = self.first(given)
            of_each, given = {**of_each, **first}, {**given, **first}
        told = [
            self.player.reset(env, options={**given, **{name: v[i] for name, v in of_each.items()}})
            for i, env in enumerate(self.parallel)
        ]
        agree(self.tensors.reset(options=given), self.seen(told), **views)
        for number in range(rounds):
            told, after = self.step(number)
            agree(after, self.seen(told), **views, where=f"round {number}")
            agree(after, self.paid(told), **rewards, where=f"round {number}")
            assert after["truncated"].all() == (number == rounds - 1)

    def first(self, options):
        """The options by which leaders post something first, in every game something else."""
        rng, market = np.random.default_rng(1), self.market
        if isinstance(self.parallel[0], menus_v0.parallel_env):
            high = [np.min(options.get("max_steps", market.max_steps)), 300.0]
            return {"menu": rng.uniform(0, high, (N, *self.parallel[0].best_menu.menu.shape))}
        low = np.max(options.get("cost", market.cost))
        high = np.min(options.get("max_price", market.max_price))
        return {"price": rng.uniform(low, high, (N, *self.leaders))}

    def step(self, number, stretch=1.0):
        """What the parallel environments tell of a round of random actions, and the tensors."""
        rng, actions = np.random.default_rng(number), {}
        for agent in self.parallel[0].agents:
            space = self.parallel[0].action_space(agent)
            if hasattr(space, "low"):
                middle, half = (space.high + space.low) / 2, stretch * (space.high - space.low) / 2
                wide = rng.uniform(middle - half, middle + half, (N, *space.shape))
                actions[agent] = wide.astype(np.float32)
            else:
                most = getattr(space, "nvec", getattr(space, "n", None))
                actions[agent] = rng.integers(most, size=(N, *space.shape))
        told = []
        for i, env in enumerate(self.parallel):
            seen, rewards, _, _, infos = env.step({a: actions[a][i] for a in actions})
            told.append({"seen": seen, "state": env.state(), "rewards": rewards, "infos": infos})
        moved = {
            group: {"action": torch.as_tensor(np.stack([actions[a] for a in agents], 1))}
            for group, agents in self.agents.items()
        }
        return told, self.tensors.step(TensorDict(moved, (N,)))["next"]

    def seen(self, told):
        """Observations and states, as tensors have them."""
        of_agents = {group: {"observation": rows} for group, rows in self._of(told, "seen")}
        return {**of_agents, "state": np.array([one["state"] for one in told])}

    def paid(self, told):
        """Rewards and infos, as tensors have them."""
        infos = dict(self._of(told, "infos"))
        for of_group in infos.values():  # who is there stands among the observations
            of_group.pop("active", None)
            of_group.pop("is_active", None)
        return {
            group: {"reward": rows[..., None], "info": infos[group]}
            for group, rows in self._of(told, "rewards")
        }

    def _of(self, told, kind):
        """By group, (N, agents, …)."""
        for group, agents in self.agents.items():
            yield group, stacked([[one[kind][agent] for agent in agents] for one in told])


def stacked(rows):
    """Rows of numbers, or of dicts of numbers."""
    if not isinstance(rows[0][0], dict):
        return np.array(rows)
    return {name: stacked([[one[name] for one in row] for row in rows]) for name in rows[0][0]}


@pytest.mark.parametrize("units", [{}, {"normalize": True}], ids=str)
@pytest.mark.parametrize(
    ("game", "moves"),
    [
        *(("stackelberg", moves) for moves in ({}, {"comings": False}, {"comings": True})),
        *(("competition", moves) for moves in ({}, {"ways": False}, {"ways": True})),
        *(("menus", moves) for moves in ({}, {"comings": False})),
    ],
    ids=str,
)
def test_markets_that_are_drawn_and_move(game, moves, units):
    if game == "competition":
        arguments = {"max_cycles": 9 if moves else 2, "M": 3, "judged": not moves}
    else:
        arguments = {"max_cycles": 9, "history": 2, "scale_rewards": not moves}
    twins = Twins(game, moves=moves, **arguments, **units)
    for _ in range(2):
        twins.play(DOUBLE, {"rtol": 1e-5 if game == "stackelberg" else 1e-4, "atol": 1e-2})


@pytest.mark.parametrize("game", PARALLEL)
def test_single_precision(game):
    Twins(game, torch.float32, max_cycles=3).play(SINGLE, {"rtol": 1e-4, "atol": 0.05})


UNEQUAL = {"M": 3, "cost": [1, 2, 1.5], "max_price": [20, 15, 10]}
ARGUMENTS = {
    "stackelberg": [
        {"max_cycles": 1},
        {"K": 100},
        {"K": 3, "history": 1, "vmu_reward": "utility"},
        {"capacity": 90.0, "scale_rewards": True},
        {"capacity": 0.5, "normalize": True},
        {"min_steps": 10, "max_steps": 99.5, "cost": 2.25, "max_price": 17.0, "K": 3},
        {"continuous_actions": False},
        {"continuous_actions": False, "normalize": True, "min_steps": 3.5, "max_steps": 20},
        {"ssim": TABLE, "K": 3, "capacity": 300.0},
        {"satisfaction": [100.0, 200.0, 300.0], "K": 3},
    ],
    "competition": [
        {"judged": True},
        {"judged": True, "scenario": "calvano"},
        {"M": 1, "max_cycles": 1},
        {"M": 3, "K": 100, "history": 1},
        {"M": 1, "outside": 20.0, "capacity": 60.0},
        {"M": 2, "outside": 20.0, "scale_rewards": True},
        {**UNEQUAL, "capacity": [50, 90, 20.5]},
        {**UNEQUAL, "continuous_actions": False},
        {"M": 2, "access_cost": [[0, 20, 30], [50, 1, 0]], "K": 3, "normalize": True},
        {"M": 2, "ssim": TWO_MODELS, "scale_rewards": True},
        {"M": 2, "ssim": TABLE, "min_steps": 2},
        {"continuous_actions": False, "price_grid": [[2, 4, 6.5], [3, 5, 7]], "normalize": True},
        {"continuous_actions": False, "outside": 3.0, "min_steps": 1.5, "max_steps": 9.5},
        {"followers": "best_response", "normalize": True, "capacity": 50.0},
        {"followers": "best_response", "continuous_actions": False, "M": 3},
    ],
    "menus": [
        {"max_cycles": 1, "contracts": 1},
        {"K": 100, "contracts": 7},
        {"K": 3, "history": 1, "cost": 2.25, "max_steps": 99.5, "max_fee": 1e4},
        {"normalize": True, "scale_rewards": True},
        {"continuous_actions": False, "normalize": True, "max_steps": 20},
        {"ssim": TABLE, "satisfaction": [100.0, 200.0, 300.0], "K": 3},
        {"ssim": SaturatingSSIM(9.0, 40.0), "judged": False},
        {"followers": "best_response", "scale_rewards": True},
        {"followers": "best_response", "continuous_actions": False, "K": 7},
    ],
}


@pytest.mark.parametrize(
    ("game", "arguments"), [(game, each) for game in ARGUMENTS for each in ARGUMENTS[game]], ids=str
)
def test_arguments(game, arguments):
    twins = Twins(game, **{"judged": game != "competition", "max_cycles": 3, **arguments})
    twins.play(DOUBLE, {"rtol": 1e-4 if "judged" in arguments else 1e-5, "atol": 1e-2})


def uniform(low, high, *shape):
    return np.random.default_rng(len(shape)).uniform(low, high, (N, *shape))


UNITS = [{}, {"normalize": True}, {"continuous_actions": False}]
OWN_CURVES = [  # of as many VMUs as there are games
    {"ssim": QuadraticSSIM(-0.000174 * np.array([1.0, 1.2, 1.5]), np.array([0.075, 0.07, 0.08]))},
    {"ssim": SaturatingSSIM(np.array([2.5, 3.0, 4.0]), np.array([30.0, 40.0, 50.0]))},
]


@pytest.mark.parametrize(
    ("game", "dtype", "arguments"),
    [
        *((game, torch.float64, units) for game in PARALLEL for units in UNITS),
        *((game, torch.float32, {}) for game in ("stackelberg", "menus")),
        *((game, torch.float64, own) for game in PARALLEL if game != "menus" for own in OWN_CURVES),
    ],
    ids=str,
)
def test_a_market_of_its_own_for_each_game(game, dtype, arguments):
    several, K = game == "competition", 3
    M, more = ((2,), {"outside": 1.0, "judged": False}) if several else ((), {})
    more = {"max_fee": 4e3} if game == "menus" else more
    twins = Twins(game, dtype, K=K, max_cycles=2, max_steps=200, **more, **arguments)
    options = {
        "satisfaction": uniform(90, 390, K),
        "cost": uniform(1.0, 3.0, *M),
        "max_price": uniform(4.0, 20.0, *M),
        "min_steps": uniform(1.0, 9.0),
        "max_steps": uniform(50.0, 200.0),
        "capacity": uniform(60.0, 300.0, *M),
    }
    if game == "menus":
        del options["min_steps"], options["capacity"]
    if several:
        options["access_cost"] = uniform(0.0, 200.0, *M, K)
        options |= {name: uniform(1.0, 100.0) for name in ("temperature", "outside")}
    views, most = (DOUBLE, 2e-3) if dtype == torch.float64 else (SINGLE, 0.05)
    close = views, {"rtol": 1e-4, "atol": most}
    twins.play(*close, **options)
    # The next episode knows nothing of the last; some options are of all games.
    of_all = {"max_steps": 70.0, **({"temperature": 7.0} if several else {})}
    of_each = {name: options[name] for name in options.keys() - {"capacity", *of_all}}
    twins.play(*close, options=of_all, **of_each)
    twins.play(*close, options={"cost": 2.5, "max_price": 6.0, "satisfaction": [90.0, 200, 30]})
    twins.play(*close)


def test_a_capacity_of_its_own_where_nothing_else_differs():
    twins = Twins("stackelberg", capacity=150.0, max_cycles=2)
    twins.play(DOUBLE, DOUBLE, capacity=[90, 150, 200])


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("game", PARALLEL)
def test_what_is_out_of_bounds_is_clipped(game, normalize):
    judged = {"judged": False} if game == "competition" else {}
    twins = Twins(game, normalize=normalize, **judged)
    first = {name: value[0] for name, value in twins.first({}).items()}
    for env in (twins.tensors, *twins.parallel):
        env.reset(options=first)
    for number in range(3):
        told, after = twins.step(number, stretch=2.0)
        for group, paid in twins.paid(told).items():
            agree(after[group], {"reward": paid["reward"]}, 1e-5, 1e-2)
