"""What methods share: tasks, the registry, seeds, the rollout, kept policies."""

import ast
import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from fake_training import Always
from safetensors.numpy import save_file
from scipy import stats

import baselines
from aigc_market import LogUniform, Scenario
from baselines import load_policy
from baselines.arena import policies, seeds
from baselines.arena.arguments import EnvArguments
from baselines.arena.protocol import PublicParameters
from baselines.arena.registry import REGISTRY, Entry, resolve
from baselines.arena.rollout import PHYSICAL, play, play_in
from baselines.arena.statistics import difference_interval, share_interval
from baselines.arena.task import Task

# --- play


@pytest.mark.parametrize("scenario", ["hidden", "shift", "crowd", "capacity"])
def test_prices_do_not_shift_markets_or_noise(scenario):
    low, high = Always(4.0, 6), Always(12.0, 6)
    one, other = (play(method, Task(scenario), 6, seed=3) for method in (low, high))
    np.testing.assert_array_equal(one.equilibrium_price, other.equilibrium_price)
    np.testing.assert_array_equal(one.equilibrium_utility, other.equilibrium_utility)
    for a, b in zip(low.seen, high.seen, strict=True):
        np.testing.assert_array_equal(a.active, b.active)
    again = play(Always(4.0, 6), Task(scenario), 6, seed=3)
    np.testing.assert_array_equal(one.utility, again.utility)
    assert (play(Always(4.0, 6), Task(scenario), 6, seed=4).utility != one.utility).any()


def test_methods_see_what_was_asked_for_in_the_last_round_and_the_capacity():
    method = Always(3.0, 4)
    played = play(method, Task("capacity"), 4, seed=0)
    assert method.seen[0].prices.shape == (4, 0)
    assert method.seen[0].steps.shape == (4, 0, 2)
    for t, history in enumerate(method.seen[1:]):
        np.testing.assert_allclose(history.prices[:, 0], 3.0)
        assert history.steps.shape == (4, 1, 2)
        assert history.capacity is not None
        np.testing.assert_array_equal(history.capacity, method.seen[0].capacity)
        sold = np.minimum(history.steps[:, 0].sum(axis=1), history.capacity)
        np.testing.assert_allclose(2.0 * sold, played.utility[t], rtol=1e-5)  # price 3, cost 1
    assert len(method.seen) == 100
    assert played.seconds_per_decision > 0


def test_regret_is_of_followers_without_noise():
    played = play(Always(7.0, 50), Task("hidden"), 50, seed=0)
    assert (played.regret >= 0).all()
    noiseless = played.equilibrium_utility - played.regret
    assert np.ptp(noiseless, axis=0).max() < 1e-6 * noiseless.max()  # nothing moves
    trades = noiseless[0] > 0
    assert 0 < trades.sum() < len(trades)  # some markets are priced out
    assert np.ptp(played.utility, axis=0)[trades].min() > 0  # noise does move


def test_overrides_reach_the_market():
    assert Task("crowd", {"K": 4}).public().K == 4
    assert Task("hidden").public() == PublicParameters()
    small = Task("crowd", {"K": 4, "max_cycles": 5})
    assert play(Always(7.0, 2), small, 2, seed=0).price.shape == (5, 2)
    with pytest.raises(ValueError, match="scenario must be one of"):
        play(Always(7.0, 2), Task("nowhere"), 2, seed=0)


def test_an_environment_that_does_not_judge_is_played_too():
    env = Task("hidden").environment(3, history=1, judged=False, **PHYSICAL)
    played = play_in(env, Always(7.0, 3), seed=0)
    judged = play(Always(7.0, 3), Task("hidden"), 3, seed=0)
    np.testing.assert_array_equal(played.utility, judged.utility)
    assert np.isnan(played.regret).all()
    assert np.isnan(played.equilibrium_utility).all()


def test_all_is_in_the_markets_units_whatever_a_task_says_of_units():
    units = {"normalize": True, "scale_rewards": True, "continuous_actions": False, "history": 3}
    plain, other = (play(Always(7.0, 2), Task("drift", a), 2, seed=0) for a in ({}, units))
    np.testing.assert_array_equal(plain.price, other.price)
    np.testing.assert_array_equal(plain.utility, other.utility)


def test_each_round_can_be_watched():
    rounds = []
    task = Task("crowd", {"max_cycles": 4})
    method = Always(7.0, 2)
    played = play(method, task, 2, seed=0, watch=lambda *seen: rounds.append(seen))
    assert len(rounds) == 4
    for t, (history, infos) in enumerate(rounds):
        np.testing.assert_array_equal(history.prices[:, 0], played.price[t])
        np.testing.assert_array_equal(infos["utility"], played.utility[t])
    for (history, _), seen in zip(rounds, method.seen[1:], strict=False):
        np.testing.assert_array_equal(history.steps, seen.steps)


# --- tasks


@pytest.mark.parametrize(
    ("task", "name"),
    [
        (Task(), "paper"),
        (Task("crowd", {"K": 40}), "crowd-K40"),
        (Task("paper", {"cost": 2.0, "K": 3}), "paper-K3-cost2"),
        (
            Task("paper", {"satisfaction": ("uniform", "80", "400")}),
            "paper-satisfactionuniform-80-400",
        ),
        (Task("hidden", {"ssim": "/a b/table.csv"}), "hidden-ssim_a_b_table.csv"),
    ],
)
def test_tasks_have_names_for_files(task, name):
    assert task.name == name


def test_tasks_are_their_json():
    words = ("loguniform", "80", "400")
    task = Task().changed(EnvArguments(scenario="drift", K=3, satisfaction=words))
    same = Task("drift", {"satisfaction": list(words), "K": 3})
    assert task == same
    assert hash(task) == hash(same)
    assert Task.from_json(json.loads(json.dumps(task.as_json()))) == task
    assert task != Task("drift", {"K": 3})
    assert task.keywords()["satisfaction"] == LogUniform(80, 400)
    assert task.settings().market.K == 3
    assert task.environment(2).num_envs == 2


@pytest.mark.parametrize("column", ["ssim", "mean"])
def test_a_table_measured_by_calibrate_is_a_market(tmp_path, column):
    path = tmp_path / "measured.csv"
    path.write_text(f"steps,{column}\n0,0.1\n250,0.9\n", "utf-8")
    market = Task().changed(EnvArguments(ssim=str(path))).settings().market
    assert market.ssim(125.0) == pytest.approx(0.5)


def test_a_scenario_of_ones_own_is_a_task():
    custom = Scenario("mine", "noisy", {"satisfaction": LogUniform(80, 400), "K": 3})
    task = Task(custom)
    assert (task.name, task.public().K) == ("mine", 3)
    assert play(Always(7.0, 2), task, 2, seed=0).price.shape == (100, 2)
    assert task == Task(Scenario("mine", "noisy", {"satisfaction": LogUniform(80, 400), "K": 3}))
    assert task != Task(Scenario("mine", "noisy", {"satisfaction": LogUniform(80, 401), "K": 3}))


def test_unknown_arguments_are_refused():
    with pytest.raises(TypeError, match=r"arguments must be among K, .* got 'colour'"):
        Task("paper", {"colour": 3})


# --- seeds


SEEDS = {
    seeds.training_seed: seeds.TRAINING,
    seeds.validation_seed: seeds.VALIDATION,
    seeds.outside_seed: seeds.OUTSIDE,
    seeds.demonstration_seed: seeds.DEMONSTRATION,
}
LOOKED_AT = range(3 * 2**30, 2**32)
"""Where test seeds were while methods were chosen."""


def test_seeds_of_training_validation_and_test_never_meet():
    ranges = sorted([*SEEDS.values(), seeds.TEST], key=lambda among: among.start)
    for one, after in itertools.pairwise(ranges):
        assert one.stop <= after.start
    assert seeds.DEMONSTRATION.stop <= 2**32
    for measured in (seeds.TEST, seeds.OUTSIDE):
        assert measured.stop <= LOOKED_AT.start
    for make, among in SEEDS.items():
        for i in (0, 1, len(among) - 1):
            assert make(i) in among
        assert len({make(i) for i in range(100)}) == 100
        for bad in (-1, len(among), 0.5):
            with pytest.raises((ValueError, TypeError), match="seed"):
                make(bad)


def test_the_leaderboard_alone_names_test_seeds():
    """Not even by way of an import; `leaderboard/tune.py` chooses, and must not either."""
    root, naming = Path(baselines.__file__).parent, set()
    for path in root.rglob("*.py"):
        words = {
            part
            for node in ast.walk(ast.parse(path.read_text()))
            for part in (getattr(node, "id", None), getattr(node, "attr", None), *_imported(node))
        }
        if words & {"TEST", "outside_seed", "OUTSIDE"}:
            naming.add(path.relative_to(root).as_posix())
    naming.discard("arena/seeds.py")
    assert all(path.startswith("experiments/leaderboard/") for path in naming)
    assert "experiments/leaderboard/tune.py" not in naming


def _imported(node):
    return [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []


# --- the registry


def test_no_file_name_stands_for_two_things():
    root = Path(baselines.__file__).parent
    names = [p.name for p in root.rglob("*.py") if p.name != "__init__.py"]
    assert {name for name in names if names.count(name) > 1} == set()


def test_every_name_of_the_registry_leads_somewhere():
    for name, entry in REGISTRY.items():
        assert entry.name == name
        assert (entry.factory is None) != (entry.trainer is None)
        if entry.trainer is None:
            assert entry.make(Task("hidden"), 2, seed=0).act is not None
        else:
            trainer = entry.get_trainer()
            json.dumps(dataclasses.asdict(trainer.recipe(Task("hidden"))))
            assert trainer.can_train(Task("hidden")) is None
            # Through the rules themselves nobody learns where SSIM is a table.
            assert (trainer.can_train(Task("live")) is None) == ("pathwise" not in name)
        assert entry.obstacle(Task("hidden")) is None


def test_methods_are_made_or_trained_never_both():
    with pytest.raises(ValueError, match="ppo must be trained"):
        REGISTRY["ppo"].make(Task(), 2, 0)
    with pytest.raises(ValueError, match="greedy must be a method that is trained"):
        REGISTRY["greedy"].get_trainer()
    with pytest.raises(ValueError, match="needs either a factory or a trainer"):
        Entry("nobody")


def test_names_that_mean_no_method_are_refused():
    assert resolve("greedy") is REGISTRY["greedy"]
    for bad in ("nobody", "no_module:Thing", "json:Thing", ":", "json:"):
        with pytest.raises(ValueError, match="method must be"):
            resolve(bad)
    with pytest.raises(ValueError, match="knows must be one of"):
        resolve("json:loads", "everything")


# --- kept policies


def test_policies_that_come_along_are_found_by_name():
    policy = load_policy("hidden")
    assert policy.entry.name == "filter_pathwise"
    records = policies.index()
    assert {path.stem for path in policies.WEIGHTS.glob("*.safetensors")} == set(records)
    assert records[policy.path.stem]["best"]
    assert load_policy("hidden-filter_pathwise").path == policy.path
    for stem, record in records.items():
        assert load_policy(stem).path == policies.WEIGHTS / f"{stem}.safetensors"
        assert policies.shipped(record["method"], record["scenario"])[record["seed"]].stem == stem
    of_hidden = policies.shipped("filter_pathwise", "hidden")
    assert policies.shipped("filter_pathwise", "hidden", best=True).items() <= of_hidden.items()
    kept = {(r["method"], r["scenario"]) for r in records.values()}
    assert all(len(policies.shipped(*key, best=True)) == 1 for key in kept)
    assert policy.task == Task("hidden")
    prices = play(policy.method(2), Task("hidden", {"max_cycles": 3}), 2, seed=0).price
    assert ((prices >= 1) & (prices <= 20)).all()
    with pytest.raises(ValueError, match="name must be a path or one of"):
        load_policy("nobody")


def test_files_of_another_kind_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="path must be a file of trained weights"):
        load_policy(tmp_path / "none.safetensors")
    (tmp_path / "other.safetensors").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"of trained weights, got '.*other.*it is no safetensors"):
        load_policy(tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("", r"its config: must be a JSON object \(Expecting value"),
        ("[" * 100_000, r"its config: must be a JSON object \(maximum recursion depth"),
        ("[]", r"its config: must be a JSON object, got '\[\]'"),
        ("{}", "its config lacks method, task, seed, rounds, seconds"),
        ({"method": "nobody"}, "KeyError.*nobody.* in its config"),
        ({"method": []}, "TypeError.* in its config"),
        ({"task": []}, "TypeError.* in its config"),
        ({"task": {"scenario": "hidden", "arguments": {"prize": 1}}}, "prize.* in its config"),
    ],
    ids=range(8),
)
def test_a_policy_that_says_nonsense_of_itself_is_refused(tmp_path, config, said):
    path, task = tmp_path / "policy.safetensors", Task("hidden").as_json()
    good = {"method": "ppo", "task": task, "seed": 0, "rounds": 1, "seconds": 1.0}
    text = config if isinstance(config, str) else json.dumps({**good, **config})
    save_file({"a": np.ones(2)}, path, metadata={"config": text})
    with pytest.raises(ValueError, match=said) as error:
        load_policy(path)
    assert repr(str(path)) in str(error.value)


def test_a_policy_plays_markets_that_look_like_its_own():
    policy = load_policy("hidden")  # one token a VMU: any number of them
    policy.check(Task("drift"))
    policy.check(Task("hidden", {"K": 5}))
    with pytest.raises(ValueError, match="whether VMUs come and go is False there, got True"):
        policy.check(Task("crowd"))
    fixed = policies.Policy(policy.path, {**policy.config, "any_K": False})
    with pytest.raises(ValueError, match="K is 2 there, got 5"):
        fixed.check(Task("hidden", {"K": 5}))
    policy.check(Task("hidden", {"capacity": 300.0}))
    with pytest.raises(ValueError, match="whether there is a capacity is False there, got True"):
        fixed.check(Task("hidden", {"capacity": 300.0}))


# --- shares of the oracle's utility and their intervals: by hand, and how often they cover


BEST = np.full(400, 100.0)


def test_shares_by_hand():
    lost = np.array([[10.0, 30.0], [0.0, 100.0]])
    best = np.array([100.0, 300.0])
    assert share_interval(lost, best).mean == pytest.approx((0.9 + 0.75) / 2)


def test_one_seeds_interval_is_of_episodes():
    lost = np.random.default_rng(0).normal(10.0, 5.0, 400)
    mean, low, high = share_interval(lost[None], BEST)
    error = lost.std() / 100 / np.sqrt(400)
    assert (mean - low, high - mean) == pytest.approx((1.96 * error,) * 2, rel=0.1)


def test_an_interval_of_seeds_that_differ_is_students():
    lost = np.array([8.0, 9.0, 11.0, 10.0, 12.0])[:, None] + np.zeros(400)
    mean, low, high = share_interval(lost, BEST)
    assert mean == pytest.approx(0.9)
    reach = stats.t.ppf(0.975, 4) * stats.sem(lost[:, 0]) / 100
    assert (mean - low, high - mean) == pytest.approx((reach, reach), rel=0.02)


def test_differences_are_paired_by_seed_and_episode():
    rng = np.random.default_rng(0)
    lost = rng.normal(10.0, 5.0, 400) + rng.normal(0.0, 3.0, (5, 1))
    found = difference_interval(lost, lost + 1.0, BEST)
    np.testing.assert_allclose(found, 0.01)
    mean, low, high = difference_interval(lost, lost[::-1] + 1.0, BEST)  # other pairs of seeds
    assert mean == pytest.approx(0.01)
    assert high - low > 0.02


def test_differences_are_of_the_same_seeds():
    with pytest.raises(ValueError, match=r"other must have the shape of lost, \(2, 3\), got"):
        difference_interval(np.ones((2, 3)), np.ones((3, 3)), np.ones(3))


@pytest.mark.parametrize(
    ("S", "between_seeds", "between_episodes", "noise"),
    [(5, 1.0, 1.0, 1.0), (5, 0.0, 5.0, 3.0), (5, 0.5, 0.0, 3.0), (3, 0.5, 1.0, 3.0)],
)
def test_95_percent_intervals_cover_the_truth_in_95_percent(
    S, between_seeds, between_episodes, noise
):
    """Whatever varies: seeds, episodes, or both. (Resampled seeds cover in 85 % of the first.)"""
    rng, trials, N, covered = np.random.default_rng(S), 400, 100, 0
    for _ in range(trials):
        best = rng.uniform(50.0, 150.0, N)
        of_seed = rng.normal(0.0, between_seeds, (S, 1))
        of_episode = rng.normal(0.0, between_episodes, N)
        lost = rng.normal(10.0, 4.0, (S, N))
        other = lost + 1.0 + of_seed + of_episode + rng.normal(0.0, noise, (S, N))
        _, low, high = difference_interval(lost, other, best)
        covered += low <= 0.01 <= high  # 1 of 100
    assert 0.93 <= covered / trials <= 0.99
