"""What every view of all games keeps: seeds, copies, memory, spaces, options, refusals."""

import copy
import itertools
import pickle
import re
import subprocess
import sys
from functools import partial

import allowed
import cloudpickle
import gymnasium
import numpy as np
import pettingzoo
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import (
    api_test,
    max_cycles_test,
    parallel_api_test,
    parallel_seed_test,
    render_test,
    seed_test,
)
from pettingzoo.test.state_test import state_test
from stable_baselines3.common.env_checker import check_env as sb3_check_env
from torchrl.envs.utils import check_env_specs
from views import (
    COMPETITION,
    MENUS,
    PRICING,
    VIEWS,
    copied,
    menu,
    menu_lanes,
    numbers,
    pricing,
    pricing_lanes,
    rival,
    rival_lanes,
    same,
)

import aigc_market
from aigc_market import competition_v0, menus_v0, stackelberg_v0
from aigc_market.moves import Drift, Road, Shift, Traffic
from aigc_market.scenarios import SCENARIOS

pytestmark = [
    *allowed.different_agents,
    *allowed.physical_units,
    allowed.nothing_yet,
    allowed.several_choices,
    allowed.unknown_option,
]

ROUNDS = 3
TRAFFIC = Traffic(busy=0.5, arrival=0.3, departure=0.4)
MOVING = aigc_market.Scenario(
    "all that moves",
    "noisy",
    {**SCENARIOS["capacity"].arguments, "K": 4},
    [Drift(), Shift(0.3), TRAFFIC],
)
DRIVING = aigc_market.Scenario(
    "all that moves",
    arguments={**SCENARIOS["hidden"].arguments, "K": 3},
    moves=[Drift(), Shift(0.3), Road()],
)
MOVING_TYPES = aigc_market.Scenario(
    "all that moves",
    "quantal",
    {**SCENARIOS["hidden"].arguments, "K": 3},
    [Drift(), Shift(0.3)],
)
ALIKE = {
    "paper": {},
    "hidden, normalised": {"scenario": "hidden", "normalize": True, "scale_rewards": True},
    "one VMU": {"continuous_actions": False, "normalize": True, "K": 1, "history": 1},
}
DISCRETE = {"continuous_actions": False, "K": 3}
UNEQUAL = {"M": 3, "capacity": [40.0, 90.0, 500.0], "cost": [1.0, 1.5, 2.0]}
SCRIPTED = {"followers": "best_response", "judged": False}
OF_PRICING = {
    **ALIKE,
    "all that moves": {"scenario": MOVING},
    "discrete": {**DISCRETE, "capacity": 150.0},
    "scripted": {"scenario": MOVING, **SCRIPTED},
}
OF_SEVERAL = {
    "three": {**UNEQUAL, "scale_rewards": True},
    "all that moves": {"scenario": DRIVING, "judged": False},
    "road, normalised": {"scenario": "road", "normalize": True, "judged": False},
    "calvano": {"scenario": "calvano"},
    "scripted": {**UNEQUAL, **SCRIPTED},
}
OF_MENUS = {
    **ALIKE,
    "all that moves": {"scenario": MOVING_TYPES, "contracts": 2},
    "discrete": {**DISCRETE, "contracts": 1},
    "scripted": {"scenario": MOVING_TYPES, **SCRIPTED},
}
GAMES_PLAYED = ((PRICING, OF_PRICING), (COMPETITION, OF_SEVERAL), (MENUS, OF_MENUS))
MARKETS = {
    f"{view}, {name}": (view, arguments)
    for views, markets in GAMES_PLAYED
    for view in views
    for name, arguments in markets.items()
    # Only in these views followers might be agents.
    if name != "scripted" or view.startswith(("aec", "parallel", "tensors"))
}
TENSORS = [view for view in VIEWS if view.startswith("tensors")]
every_view = pytest.mark.parametrize("view", VIEWS)
every_market = pytest.mark.parametrize("market", MARKETS)


def drawn(view):
    """Arguments of a market whose law is random, for each view."""
    if view in COMPETITION:
        return {"scenario": DRIVING, "judged": False}
    return {"scenario": MOVING if view in PRICING else MOVING_TYPES}


def undecided(market, seat, last_prices, oracle, rng):
    """A rival of whom nothing needs to be solved."""
    return rng.uniform(2, 3)


def made(view, **arguments):
    if view in ("rival", "vector of rivals"):
        arguments = {"rivals": undecided, **arguments}
    # Episodes are longer than what is remembered of them.
    short = {"max_cycles": ROUNDS, "history": 2}
    return VIEWS[view], VIEWS[view].make(**{**short, **arguments})


def moves(player, env, count, first=0):
    """Copies of all that is told in so many moves."""
    return [copied(player.move(env, first + i)) for i in range(count)]


# Seeds


@every_view
def test_a_reset_without_a_seed_goes_on_with_the_stream(view):
    def markets(*seeds):
        player, env = made(view, **drawn(view))
        for seed in seeds:
            player.reset(env, seed=seed)
            moves(player, env, 2)
            yield np.asarray(env.market.satisfaction).tobytes()

    once, again = list(markets(4, None, None)), list(markets(4, None, None))
    assert once == again
    assert len(set(once)) == 3
    assert list(markets(4, None, 4)) == [once[0], once[1], once[0]]


@every_view
def test_without_any_seed_games_differ(view):
    markets = []
    for _ in range(2):
        player, env = made(view, **drawn(view))
        player.reset(env)
        markets.append(np.asarray(env.market.satisfaction))
    assert not np.array_equal(*markets)


@every_view
def test_what_is_played_does_not_disturb_the_draws(view):
    """Common random numbers: methods with the same seed meet the same markets."""
    markets = []
    for first in (0, 1000):
        player, env = made(view, max_cycles=50, **drawn(view))
        player.reset(env, seed=6)
        moves(player, env, 20, first)
        markets.append(np.asarray(env.market.satisfaction))
    np.testing.assert_array_equal(*markets)


# Copies


@every_view
@pytest.mark.parametrize(
    "twin", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"]
)
def test_a_copy_goes_on_alike_and_on_its_own(view, twin):
    player, env = made(view, **drawn(view))
    early = twin(env)
    same(copied(player.reset(early, seed=3)), copied(player.reset(env, seed=3)))
    same(moves(player, early, 4), moves(player, env, 4))  # amid an episode of every view
    late, branch = twin(env), twin(env)
    moves(player, branch, 3, first=1000)  # must leave the others alone
    expected = moves(player, env, 4 * ROUNDS)
    same(moves(player, late, 4 * ROUNDS), expected)
    same(moves(player, early, 4 * ROUNDS), expected)


@pytest.mark.parametrize("view", [name for name in VIEWS if not name.startswith("tensors")])
def test_a_bare_function_is_copied_with_the_game(view):
    def law(rng):
        return rng.uniform(100, 300, 2)

    given = aigc_market.Drawn(100, 300, law) if view in MENUS else law
    player, env = made(view, satisfaction=given)
    twin = cloudpickle.loads(cloudpickle.dumps(env))
    same(copied(player.reset(env, seed=0)), copied(player.reset(twin, seed=0)))
    same(moves(player, env, 8), moves(player, twin, 8))


# Memory


def spoil(told):
    for array in numbers(told):
        if isinstance(array, np.ndarray) and array.flags.writeable:
            array[...] = ~array if array.dtype == bool else array - array.dtype.type(100)


@every_market
def test_equal_seeds_are_equal_games_whatever_is_written_to_what_was_handed_out(market):
    view, arguments = MARKETS[market]
    told = []
    for seed, spoils in ((3, False), (3, True), (4, False)):
        player, env = made(view, **arguments)
        answers, kept = [player.reset(env, seed=seed)], []
        for number in range(5 * ROUNDS):
            kept.append(copied(answers[-1]))
            if spoils:
                spoil(answers[-1])
            answers.append(player.move(env, number))
        if not spoils:  # nor does what is kept ever change
            same([copied(answer) for answer in answers[:-1]], kept)
        told.append(kept)
    same(told[0], told[1])
    if market.endswith(("all that moves", "normalised")):
        with pytest.raises(AssertionError):
            same(told[0], told[2])


@pytest.mark.parametrize("market", [name for name in MARKETS if "tensors" not in name])
def test_no_two_of_what_is_handed_out_share_memory(market):
    view, arguments = MARKETS[market]
    player, env = made(view, **arguments)
    arrays = [n for n in numbers(player.reset(env, seed=0)) if isinstance(n, np.ndarray)]
    for number in range(2 * ROUNDS):
        arrays += [n for n in numbers(player.move(env, number)) if isinstance(n, np.ndarray)]
    writeable = [array for array in arrays if array.flags.writeable and array.dtype != bool]
    ends = sorted((a.ctypes.data, a.ctypes.data + a.nbytes) for a in writeable if a.base is None)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(ends))


# Spaces and forms


def _at(told, key):
    for name in (key,) if isinstance(key, str) else key:
        told = told[name]
    return told


def check_spaces(spaces, told):
    if "specs" in spaces:
        for key, spec in spaces["specs"].items(True, True):
            assert spec.is_in(torch.from_numpy(_at(told, key))), key
        return
    if "state" in spaces:
        assert spaces["state"].contains(told["state"])
    if isinstance(spaces["seen"], dict):
        for agent, seen in told["seen"].items():
            assert spaces["seen"][agent].contains(seen), agent
    else:
        assert spaces["seen"].contains(told["seen"])


def form(thing):
    """Names, types and shapes of infos."""
    if isinstance(thing, dict):
        return {name: form(value) for name, value in thing.items()}
    assert isinstance(thing, (int, float, np.ndarray))
    return type(thing), np.shape(thing)


@every_market
def test_what_is_seen_lies_in_its_space_and_infos_keep_their_form(market):
    view, arguments = MARKETS[market]
    player, env = made(view, **arguments)
    spaces, forms = player.spaces(env), []
    for seed in (0, 1):
        told = player.reset(env, seed=seed)
        check_spaces(spaces, told)
        if not view.startswith("tensors"):
            assert not list(numbers(told["infos"]))
        for number in range(2 * ROUNDS):
            told = player.move(env, number)
            check_spaces(spaces, told)
            infos = told.get("infos", {})
            if numbers(infos) and "final_info" not in infos:
                forms.append(form(infos))
    assert all(each == forms[0] for each in forms)


def seen_and_bounds(spaces, told):
    """Pairs of what is seen and its upper bounds."""
    if "specs" in spaces:
        specs = spaces["specs"].items(True, True)
        return [
            (_at(told, key), spec.space.high.numpy()) for key, spec in specs if "info" not in key
        ]
    if not isinstance(spaces["seen"], dict):
        return [(told["seen"], spaces["seen"].high)]
    pairs = [(seen, spaces["seen"][agent].high) for agent, seen in told["seen"].items()]
    return [*pairs, (told["state"], spaces["state"].high)]


@every_view
def test_normalised_units_are_shares_of_the_physical_ones_bounds(view):
    """Of actions too: the players choose shares of their ranges."""
    capacity = {} if view in MENUS else {"capacity": 150.0}
    (player, physical), (_, normal) = (made(view, normalize=on, **capacity) for on in (False, True))
    for number in range(-1, 8):
        told, units = (
            player.move(env, number) if number >= 0 else player.reset(env, seed=5)
            for env in (physical, normal)
        )
        pairs = (
            seen_and_bounds(player.spaces(env), each)
            for env, each in ((physical, told), (normal, units))
        )
        for (value, high), (share, one) in zip(*pairs, strict=True):
            np.testing.assert_allclose(one, 1, rtol=1e-6)
            np.testing.assert_allclose(share, value / high, rtol=1e-5, atol=1e-6)
        for a, b in zip(*(numbers(each.get("rewards", [])) for each in (told, units)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("view", [view for view in VIEWS if view.startswith(("aec", "vector"))])
@pytest.mark.parametrize("max_price", [8.06, 25.95])
def test_the_most_that_is_seen_lies_in_its_space(view, max_price):
    """In single precision such bounds lie a hair beyond themselves."""
    odd = {"max_price": max_price, "max_steps": 233.3, "satisfaction": 271.83}
    player, env = made(view, normalize=True, **odd)
    env.reset(seed=0)
    if view.startswith("aec"):
        for agent in env.possible_agents:
            env.step(getattr(env.action_space(agent), "high", 1))  # contracts are numbers
        told = {"seen": {agent: env.observe(agent) for agent in env.agents}, "state": env.state()}
    else:
        told = {"seen": env.step(env.action_space.high)[0]}
    check_spaces(player.spaces(env), told)


@every_view
@pytest.mark.parametrize("rounds", [2, 5])
def test_the_number_of_rounds_may_be_assigned(view, rounds):
    assigned = not view.startswith("tensors")  # they are compiled with it
    player, env = made(view, max_cycles=7 if assigned else rounds)
    if assigned:
        env.max_cycles = rounds
    player.reset(env, seed=0)
    turns = rounds * len(env.possible_agents) if "aec" in view else rounds
    over = [np.all(numbers(player.move(env, number)["over"])) for number in range(turns)]
    assert over == [False] * (turns - 1) + [True]


# Options


BAD_OPTIONS = [{"cost": -1.0}, {"cost": "8"}, {"satisfaction": 1e9}, {"max_steps": 1e9}, 5]


@every_view
def test_a_refused_reset_changes_nothing(view):
    """Neither the episode nor the stream."""
    games = [made(view, **drawn(view)) for _ in range(2)]
    for player, env in games:
        player.reset(env, seed=3)
        moves(player, env, 2)
    player, disturbed = games[0]
    seeds = (None, 7) if not view.startswith("tensors") else (None,)
    for seed, options in itertools.product(seeds, BAD_OPTIONS):
        with pytest.raises((TypeError, ValueError)):
            player.reset(disturbed, seed=seed, options=options)
    same(*[moves(player, env, 4 * ROUNDS) for player, env in games])


@every_view
def test_a_first_reset_that_is_refused_begins_nothing(view):
    player, env = made(view, **drawn(view))
    for options in BAD_OPTIONS:
        with pytest.raises((TypeError, ValueError)):
            player.reset(env, seed=3, options=options)
    with pytest.raises((gymnasium.error.ResetNeeded, AttributeError, AssertionError)):
        player.move(env, 0)
    fresh = made(view, **drawn(view))[1]
    same(copied(player.reset(env, seed=3)), copied(player.reset(fresh, seed=3)))


@every_view
def test_options_hold_for_one_episode_and_fix_what_is_drawn_otherwise(view):
    player, env = made(view, satisfaction=aigc_market.Uniform(100, 300))
    player.reset(env, seed=1, options={"satisfaction": [150.0, 250.0], "cost": 2.0})
    assert (np.asarray(env.market.satisfaction) == [150.0, 250.0]).all()
    assert np.all(np.asarray(env.market.cost) == 2.0)
    player.reset(env)
    assert (np.asarray(env.market.satisfaction) != [150.0, 250.0]).all()
    assert np.all(np.asarray(env.market.cost) == 1.0)


@every_view
def test_unknown_options_warn_and_point_at_the_caller(view):
    _, env = made(view)
    with pytest.warns(UserWarning, match="option 'options' is unknown.*allowed: cost") as warned:
        env.reset(options={"options": 1})
    if not view.startswith("tensors"):  # between there is TorchRL
        assert warned[0].filename == __file__


@every_view
def test_a_refused_action_changes_nothing(view):
    games = [made(view, **drawn(view)) for _ in range(2)]
    for player, env in games:
        player.reset(env, seed=3)
        moves(player, env, 2)
    player, disturbed = games[0]
    with pytest.raises((TypeError, ValueError)):
        player.bad_move(disturbed)
    same(*[moves(player, env, 2 * ROUNDS) for player, env in games])


# What other libraries check


@pytest.mark.parametrize("market", [m for m in MARKETS if m.startswith(("aec", "parallel"))])
def test_pettingzoos_checks(market, capsys):
    view, arguments = MARKETS[market]
    # A profit gain that does not exist is NaN, which the tools hold to be different from itself.
    if view in COMPETITION:
        arguments = {"judged": False, **arguments}

    def make():
        return made(view, **arguments)[1]

    if view.startswith("aec"):
        api_test(make(), num_cycles=20)
        seed_test(make, num_cycles=10)
        other = made(view.replace("aec", "parallel"), **arguments)[1]
        state_test(make(), other, ROUNDS)
        assert "Passed API test" in capsys.readouterr().out
    else:
        parallel_api_test(make(), num_cycles=20)
        parallel_seed_test(make, num_cycles=10)
        assert "Passed Parallel API test" in capsys.readouterr().out


SINGLE = {"single": (pricing, pricing_lanes), "rival": (rival, rival_lanes)}
SINGLE |= {"menu": (menu, menu_lanes)}


@pytest.mark.parametrize("market", [name for name in MARKETS if MARKETS[name][0] in SINGLE])
def test_gymnasiums_and_stable_baselines3s_checks(market):
    view, arguments = MARKETS[market]
    make, _ = SINGLE[view]
    check_env(make(**arguments), skip_render_check=True)
    sb3_check_env(make(**arguments))


OTHER_SPECS = [
    {"infos": False, "state": False},
    {"K": 1, "history": 1, "dtype": torch.float64},
]


@pytest.mark.parametrize(
    ("market", "more"),
    [
        *((market, {}) for market in MARKETS if market.startswith("tensors")),
        *((f"{view}, all that moves", more) for view in TENSORS for more in OTHER_SPECS),
    ],
    ids=str,
)
def test_torchrls_checks(market, more):
    view, arguments = MARKETS[market]
    check_env_specs(made(view, **{**arguments, **more})[1])


# The registries of PettingZoo and Gymnasium, and what these do around the games


GAMES = {"stackelberg_v0": stackelberg_v0, "competition_v0": competition_v0}
GAMES |= {"menus_v0": menus_v0}
registry = pytest.mark.skipif(
    not hasattr(pettingzoo, "register"), reason="PettingZoo has a registry from version 1.27 on"
)


@registry
@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("kind", ["aec", "parallel"])
def test_pettingzoos_registry(name, kind):
    env_id = f"aigc_market/{name.removesuffix('_v0')}-v0"
    spec = pettingzoo.spec(kind, env_id)
    assert (spec.id, spec.version) == (env_id, 0)
    assert pettingzoo.spec(kind, f"aigc_market/{name}") is spec  # as ids were written before
    assert pickle.loads(pickle.dumps(spec)) == spec
    for make in (partial(pettingzoo.make, kind, env_id), spec.make):
        env = make(K=3, max_cycles=4)
        raw = GAMES[name].raw_env if kind == "aec" else GAMES[name].parallel_env
        assert type(env.unwrapped) is raw
        leaders = ["asp_0", "asp_1"] if name == "competition_v0" else ["asp_0"]
        assert env.possible_agents == [*leaders, "vmu_0", "vmu_1", "vmu_2"]
        assert env.unwrapped.max_cycles == 4
        assert env.metadata["name"] == name
        assert env.metadata["is_parallelizable"] is False


@registry
def test_pettingzoos_list_has_each_game_once(capsys):
    """In the form that it gives its own: `aigc_market/stackelberg-v0`."""
    pettingzoo.pprint_registry()
    listed = re.findall(r"^ +(aigc_market/\S+)$", capsys.readouterr().out, re.MULTILINE)
    assert listed == sorted(f"aigc_market/{name.replace('_v0', '-v0')}" for name in GAMES) * 2


def test_pettingzoo_without_a_registry_is_enough():
    """PettingZoo 1.26 has no `register`; AgileRL asks for that version."""
    code = (
        "import pettingzoo\n"
        "vars(pettingzoo).pop('register', None)\n"
        f"from aigc_market import {', '.join(GAMES)}\n"
        f"for game in ({', '.join(GAMES)}):\n"
        "    env = game.env()\n"
        "    env.reset(seed=0)\n"
        "    print(env.agent_selection)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "asp_0\n" * len(GAMES)


@pytest.mark.parametrize("name", GAMES)
def test_pettingzoos_check_of_max_cycles(name):
    max_cycles_test(GAMES[name])


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("stackelberg_v0", {"capacity": 100}), ("competition_v0", {}), ("menus_v0", {})],
)
def test_pettingzoos_check_of_rendering(name, arguments):
    render_test(
        lambda render_mode: GAMES[name].env(render_mode=render_mode, max_cycles=4, **arguments),
        custom_tests={
            "ansi": lambda frame: ("menu" if name == "menus_v0" else "price") in frame,
            "rgb_array": lambda frame: frame.shape == (640, 960, 3),
        },
    )


@pytest.mark.parametrize(
    ("name", "view", "seen"),
    [("Pricing-v0", "single", 15), ("Rival-v0", "rival", 20), ("Menu-v0", "menu", 40)],
)
def test_gymnasiums_registry(name, view, seen):
    """Its own checker around it: `make` turns it on."""
    one, many = SINGLE[view]
    env = gymnasium.make(f"aigc_market/{name}", max_cycles=3)
    assert type(env.unwrapped) is type(one())
    env.reset(seed=3)
    for number in range(3):
        _, reward, _, truncated, _ = env.step(env.action_space.sample())
        assert isinstance(reward, float)
        assert truncated == (number == 2)
    for how in ({}, {"vectorization_mode": "vector_entry_point"}):
        envs = gymnasium.make_vec(f"aigc_market/{name}", num_envs=5, max_cycles=3, **how)
        assert type(envs.unwrapped) is type(many(5))
        assert envs.reset(seed=3)[0].shape == (5, *envs.single_observation_space.shape)
    sync = gymnasium.make_vec(f"aigc_market/{name}", num_envs=3, vectorization_mode="sync", K=2)
    assert sync.reset(seed=0)[0].shape == (3, seen)
    sync.close()


@pytest.mark.parametrize(
    "make",
    [*(one for one, _ in SINGLE.values()), *(partial(many, 2) for _, many in SINGLE.values())],
)
def test_stepping_or_drawing_out_of_turn_asks_for_a_reset(make):
    env = make()
    with pytest.raises(gymnasium.error.ResetNeeded, match="before step"):
        env.step(env.action_space.sample())
    with pytest.raises(gymnasium.error.ResetNeeded, match="before render"):
        pricing(render_mode="ansi").render()


@pytest.mark.parametrize("make", [pricing, rival, menu])
def test_a_single_environment_does_not_go_on_after_its_end(make):
    env = make(max_cycles=1)
    env.reset(seed=0)
    assert env.step(env.action_space.sample())[3]
    with pytest.raises(gymnasium.error.ResetNeeded, match="the episode is over: reset"):
        env.step(env.action_space.sample())


@pytest.mark.parametrize("make", [stackelberg_v0, competition_v0, menus_v0])
def test_a_parallel_environment_says_that_its_episode_is_over(make):
    env = make.parallel_env(max_cycles=1)
    with pytest.raises(AssertionError, match=r"^reset.. needs to be called before step"):
        env.step({})
    env.reset(seed=0)
    actions = {agent: env.action_space(agent).sample() for agent in env.agents}
    assert all(env.step(actions)[3].values())
    with pytest.raises(AssertionError, match=r"^the episode is over: reset"):
        env.step(actions)
