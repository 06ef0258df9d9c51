"""The games as tasks of BenchMARL: experiments, specs, and logs beside the oracle."""

import copy
import csv
import importlib
import pickle
import re
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torchrl.envs import SerialEnv

import aigc_market
from aigc_market import competition
from aigc_market.torchrl import MarketEnv

with warnings.catch_warnings():
    # TorchRL makes classes of its own that it deprecates.
    warnings.filterwarnings("ignore", r"Creating \w+ which inherits from WeightUpdaterBase")
    pytest.importorskip("benchmarl", reason="needs the extra 'benchmarl'")
    from benchmarl.algorithms import IppoConfig, IqlConfig, MappoConfig, MasacConfig
    from benchmarl.experiment import Experiment, ExperimentConfig
    from benchmarl.models.mlp import MlpConfig

    from aigc_market.benchmarl import MarketClass, MarketTask

# BenchMARL 1.5 collects by TorchRL's former name of its collector.
pytestmark = [
    pytest.mark.benchmarl,
    pytest.mark.filterwarnings("ignore:SyncDataCollector has been deprecated"),
]

SHORT = {"max_cycles": 5}
SCRIPTED = {"followers": "best_response"}


def experiment(task, algorithm, folder, discrete=False):
    """Two batches of 4 games, two episodes each, on policy or not."""
    config = ExperimentConfig.get_from_yaml()
    config.save_folder, config.loggers, config.render = str(folder), ["csv"], False
    config.prefer_continuous_actions = not discrete
    config.max_n_frames, config.max_n_iters = None, 2
    config.evaluation_interval, config.evaluation_episodes = 40, 3
    config.on_policy_collected_frames_per_batch = config.off_policy_collected_frames_per_batch = 40
    config.on_policy_n_envs_per_worker = config.off_policy_n_envs_per_worker = 4
    config.on_policy_n_minibatch_iters, config.on_policy_minibatch_size = 2, 20
    config.off_policy_n_optimizer_steps, config.off_policy_memory_size = 2, 80
    model = MlpConfig([8], torch.nn.Linear, activation_class=torch.nn.Tanh)
    return Experiment(task, algorithm.get_from_yaml(), model, seed=0, config=config)


def weights(learned):
    return torch.cat([weight.detach().flatten() for weight in learned.policy.parameters()])


def logged(folder, name):
    """What a CSV logger wrote: one number an iteration."""
    (file,) = folder.rglob(f"{name}.csv")
    with file.open() as handle:
        return [float(row[1]) for row in csv.reader(handle)]


@pytest.mark.parametrize(
    ("algorithm", "name", "config", "discrete"),
    [
        (IppoConfig, "STACKELBERG", {}, False),
        (MappoConfig, "STACKELBERG", {"scenario": "hidden"}, False),
        (MappoConfig, "STACKELBERG", {"scenario": "crowd", "K": 3}, True),
        (MappoConfig, "STACKELBERG", {"state": False, "infos": False}, False),
        (MasacConfig, "STACKELBERG", {"K": 3}, False),
        (IqlConfig, "STACKELBERG", {"max_steps": 20}, True),
        (IppoConfig, "COMPETITION", {}, False),
        (IqlConfig, "COMPETITION", SCRIPTED, True),
    ],
)
def test_an_experiment_learns(algorithm, name, config, discrete, tmp_path):
    task = MarketTask[name].get_task({**SHORT, **config})
    learned = experiment(task, algorithm, tmp_path, discrete)
    assert learned.continuous_actions is not discrete
    assert list(learned.group_map) == (["asp"] if config == SCRIPTED else ["asp", "vmu"])
    before = weights(learned)
    learned.run()
    assert learned.total_frames == 80
    after = weights(learned)
    assert torch.isfinite(after).all()
    assert not torch.equal(before, after)
    logs = {file.stem for file in tmp_path.rglob("market_*.csv")}
    if config.get("infos", True):
        measure = "market_profit_gain" if name == "COMPETITION" else "market_leader_share"
        assert measure in logs
        assert all(-1000 < value <= 1000 for value in logged(tmp_path, measure))
        several = name == "COMPETITION" and config != SCRIPTED
        assert ("market_follower_regret" in logs) == several
    else:
        assert not logs


def test_a_training_is_that_of_its_seed(tmp_path):
    task = MarketTask.STACKELBERG.get_task({**SHORT, "scenario": "drift"})
    runs = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        learned = experiment(task, MappoConfig, folder)
        learned.run()
        runs.append(weights(learned))
    assert torch.equal(*runs)


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("STACKELBERG", {}),
        ("STACKELBERG", {"scenario": "crowd", "state": False}),
        ("STACKELBERG", {"infos": False, "K": 1}),
        ("COMPETITION", SCRIPTED),
    ],
)
def test_specs_are_those_of_a_rollout(name, config, discrete):
    task = MarketTask[name].get_task({**SHORT, **config})
    env = task.get_env_fun(3, not discrete, seed=0, device="cpu")()
    assert env.batch_size == (3,)
    batch = env.rollout(100)
    assert batch.shape == (3, task.max_steps(env)) == (3, 5)
    groups = task.group_map(env)
    assert groups == env.group_map
    game = batch[1, -1]  # specs are of one game
    for kind, spec in (
        ("observation", task.observation_spec(env)),
        ("action", task.action_spec(env)),
        ("info", task.info_spec(env)),
        ("state", task.state_spec(env)),
    ):
        if not config.get({"info": "infos"}.get(kind, kind), True):
            assert spec is None
            continue
        names = {key if kind == "state" else key[:2] for key in spec.keys(True, True)}
        assert names == ({"state"} if kind == "state" else {(group, kind) for group in groups})
        assert spec.is_in(game.select(*spec.keys(True, True)))
    assert task.action_mask_spec(env) is None
    assert not task.has_render(env)


def test_environments_are_those_asked_for():
    task = MarketTask.STACKELBERG.get_task({"scenario": "hidden", **SHORT})

    def observed(num_envs, seed):
        return task.get_env_fun(num_envs, True, seed, "cpu")().reset()["vmu", "observation"]

    assert torch.equal(observed(4, 1), observed(4, 1))
    assert not torch.equal(observed(4, 1), observed(4, 2))
    assert len(observed(7, None)) == 7
    assert task.get_env_fun(2, True, 0, "cpu")().device.type == "cpu"
    with pytest.raises(ValueError, match=r"device must be .* got 'abacus'"):
        task.get_env_fun(2, True, 0, "abacus")()


@pytest.mark.parametrize("scenario", ["paper", "hidden", "capacity", "crowd"])
def test_logs_of_one_provider_are_the_oracles(scenario):
    config = {"scenario": scenario, "K": 4, "normalize": False, "dtype": torch.float64}
    env = MarketTask.STACKELBERG.get_task(config).get_env_fun(50, True, 0, "cpu")()
    now = env.reset()
    in_force = int(scenario == "capacity")  # behind R
    market, price = env.market, now["asp", "observation"][:, 0, in_force]
    batch = env.rollout(1, auto_reset=False, tensordict=now)
    there = market.active if scenario == "crowd" else torch.ones(50, 4, dtype=torch.bool)
    bought = torch.where(there, batch["vmu", "action"][:, 0, :, 0], 0.0)
    gap = aigc_market.regret(market, price, bought)
    assert there.all() == (scenario != "crowd")
    logs = MarketClass.log_info(batch)
    best = aigc_market.solve(market).asp_utility
    share = torch.where(best > 0, 1 - gap.leader / best, 1.0)  # where nobody is there, all
    assert logs == pytest.approx(
        {
            "market/leader_share": float((share * torch.ones(50)).mean()),
            "market/leader_regret": float((gap.leader * torch.ones(50)).mean()),
        },
        rel=1e-4,
    )


@pytest.mark.parametrize("followers", ["agents", "best_response"])
def test_logs_of_several_providers_are_the_oracles(followers):
    config = {"followers": followers, "dtype": torch.float64}
    env = MarketTask.COMPETITION.get_task(config).get_env_fun(6, True, 0, "cpu")()
    batch = env.rollout(2)
    paid = batch["next", "asp", "info", "utility"].numpy()
    gain = competition.profit_gain(aigc_market.Competition(), paid).each.mean()
    logs = MarketClass.log_info(batch)
    assert logs.pop("market/profit_gain") == pytest.approx(gain, rel=1e-4)
    if followers == "agents":
        lost = batch["next", "vmu", "info", "regret"].mean()
        assert logs.pop("market/follower_regret") == pytest.approx(float(lost), rel=1e-4)
    assert not logs


def test_nothing_is_logged_of_play_that_is_not_judged():
    task = MarketTask.STACKELBERG.get_task({"judged": False, **SHORT})
    assert task.log_info(task.get_env_fun(2, True, 0, "cpu")().rollout(5)) == {}


def test_tasks_are_those_of_the_games(tmp_path):
    assert [task.name for task in MarketTask] == ["STACKELBERG", "COMPETITION"]
    assert MarketTask.env_name() == MarketClass.env_name() == "aigc_market"
    task = MarketTask.COMPETITION.get_task()
    assert isinstance(task, MarketClass)
    assert task == MarketTask.COMPETITION.get_task({}) == MarketTask.COMPETITION.get_from_yaml()
    assert task != MarketTask.STACKELBERG.get_task()
    assert task == pickle.loads(pickle.dumps(task)) == copy.deepcopy(task)
    env = task.get_env_fun(2, True, 0, "cpu")()
    assert isinstance(env, MarketEnv)
    assert task.group_map(env)["asp"] == ["asp_0", "asp_1"]
    file = tmp_path / "task.yaml"
    file.write_text("K: 3\nscenario: hidden\n")
    asked = {"K": 3, "scenario": "hidden"}
    task = MarketTask.STACKELBERG.get_from_yaml(str(file))
    assert task == MarketTask.STACKELBERG.get_task(asked)
    assert asked.items() <= task.config.items()
    assert task.config.keys() - asked.keys() == {"normalize", "scale_rewards", "infos"}


@pytest.mark.parametrize(
    "content", [b"K: [3", b"- 3", b"K: \xe4", b"[" * 100_000, b"K: 2001-99-99"], ids=range(5)
)
def test_a_file_of_something_else_is_named(tmp_path, content):
    file = tmp_path / "task.yaml"
    file.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"must be (YAML|a mapping of YAML|text in UTF-8)"
    ) as error:
        MarketTask.STACKELBERG.get_from_yaml(str(file))
    assert str(error.value).startswith(str(file))


def test_a_config_may_be_changed_as_long_as_it_is_right():
    task = MarketTask.STACKELBERG.get_task()
    task.config["K"] = 5
    assert len(task.group_map(task.get_env_fun(2, True, 0, "cpu")())["vmu"]) == 5
    task.config["K"] = 0
    with pytest.raises(ValueError, match="K must be a whole number of at least 1, got 0"):
        task.get_env_fun(2, True, 0, "cpu")()


def test_actions_are_discrete_where_each_is_one_index():
    assert MarketTask.STACKELBERG.get_task().supports_discrete_actions()
    assert MarketTask.COMPETITION.get_task(SCRIPTED).supports_discrete_actions()
    assert not MarketTask.COMPETITION.get_task().supports_discrete_actions()
    assert all(task.get_task().supports_continuous_actions() for task in MarketTask)


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"num_envs": 4}, ValueError, "config must not hold num_envs: .*n_envs_per_worker.* got 4"),
        ({"seed": 1}, ValueError, "config must not hold seed: .* got 1"),
        ({"device": "cuda"}, ValueError, "config must not hold device: .*sampling_device.* got"),
        ({"game": "stackelberg"}, ValueError, "config must not hold game: the task's name"),
        ({"continuous_actions": False}, ValueError, "continuous_actions: .*prefer_continuous"),
        ({"vehicles": 3}, TypeError, "'vehicles' is not a parameter; allowed: K, "),
        ({"K": -1}, ValueError, "K must be a whole number of at least 1, got -1"),
        ({"scenario": "nowhere"}, ValueError, "scenario must be .*paper.*got 'nowhere'"),
        ({"infos": "yes"}, TypeError, "infos must be True or False, got 'yes'"),
        (["K"], TypeError, r"config must be a dictionary .* got \['K'\] of type list"),
    ],
)
def test_bad_configs_are_refused_by_name(config, error, message):
    with pytest.raises(error, match=message):
        MarketTask.STACKELBERG.get_task(config)


def test_an_unknown_game_is_refused():
    with pytest.raises(ValueError, match=r"game must be one of \['stackelberg', .* got 'chess'"):
        MarketClass("CHESS")


@pytest.mark.filterwarnings("ignore:PettingZoo in TorchRL is tested using")
@pytest.mark.parametrize("algorithm", [IppoConfig, MappoConfig])
def test_the_task_of_the_questions_trains(algorithm, tmp_path, monkeypatch):
    page = (Path(__file__).parents[1] / "docs" / "faq.md").read_text()
    [block] = (
        block
        for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        if "class OwnTask" in block
    )
    (tmp_path / "own_task.py").write_text(block)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "own_task", None)
    del sys.modules["own_task"]  # whatever is imported now is forgotten at the end
    task = importlib.import_module("own_task").task
    hidden = type(task)("hidden", {**task.config, "scenario": "hidden"})
    games = SerialEnv(2, hidden.get_env_fun(2, True, 0, "cpu"))
    own, other = games.reset()["vmu", "observation"][..., 0]  # δ
    assert (own != other).all()
    learned = experiment(task, algorithm, tmp_path)
    before = weights(learned)
    learned.run()
    assert learned.group_map == {"asp": ["asp_0"], "vmu": ["vmu_0", "vmu_1"]}
    assert (weights(learned) != before).any()
    assert len(logged(tmp_path, "eval_reward_episode_reward_mean")) == 2
