"""Both sides learn: the followers' lanes, what is measured, training, exploiting, the commands."""

import json
import sys

import numpy as np
import pytest
import torch
from stable_baselines3.common.policies import ActorCriticPolicy

import aigc_market
from aigc_market import vmus
from baselines import __main__ as command_line
from baselines.followers import exploit as exploiting
from baselines.followers.exploit import exploit
from baselines.followers.gaps import measure
from baselines.followers.lanes import FollowerLanes
from baselines.followers.policy import (
    ACTIONS,
    Followers,
    observe,
    sees,
    settings_of,
    to_actions,
    to_steps,
)
from baselines.followers.two_time_scales import BothTraining, train_both
from baselines.methods.sb3.training import Training

SMALL = {"satisfaction": [150.0, 300.0], "max_cycles": 20}

ALIKE = {"max_cycles": 20}
"""Two VMUs of the same δ."""


def constant(action):
    return lambda seen: np.full((len(seen), 1), action)


def untrained(settings, count, seed=0):
    torch.manual_seed(seed)
    return Followers(
        [ActorCriticPolicy(sees(settings), ACTIONS, lambda _: 0.0) for _ in range(count)], settings
    )


class ConstantLeader:
    """Stands for a trained model."""

    def __init__(self, price, market):
        self.action = 2 * (price - market.cost) / (market.max_price - market.cost) - 1

    def predict(self, seen, deterministic=False):
        return np.full((len(seen), 1), self.action, np.float32), None


@pytest.mark.parametrize("capacity", [None, 150.0])
def test_rewards_are_those_of_the_aec_game(capacity):
    arguments = {**SMALL, "capacity": capacity}
    rng = np.random.default_rng(0)
    lanes = FollowerLanes(
        arguments, constant(0.1), vmus.best_response, np.tile(np.arange(2), (3, 1)), 0.0, seed=5
    )
    lanes.reset()
    env = aigc_market.raw_env(**arguments, normalize=True, scale_rewards=True)
    for _ in range(4):
        actions = rng.uniform(-1, 1, (6, 1)).astype(np.float32)
        _, rewards, _, _ = lanes.step(actions)
        for game in range(3):
            env.reset(seed=0)
            env.step(np.array([0.1], np.float32))
            for k in range(2):
                env.step(actions[2 * game + k])
            got = rewards.reshape(3, 2)[game]
            assert got == pytest.approx([env.rewards["vmu_0"], env.rewards["vmu_1"]], abs=1e-5)


def test_only_the_played_vmu_moves():
    played = np.array([[0], [1]])
    lanes = FollowerLanes(SMALL, constant(0.0), vmus.best_response, played, 0.0, seed=1)
    seen = lanes.reset()
    settings = settings_of(SMALL)
    price = np.full(2, (1 + 20) / 2)
    rational = aigc_market.best_response(settings.market, price[0])
    assert lanes.usual() == pytest.approx(np.stack([rational, rational]))
    everybody = observe(settings, settings.market, price)
    assert seen == pytest.approx(np.stack([everybody[0, 0], everybody[1, 1]]))
    lanes.step_async(np.full((2, 1), -1.0))
    assert lanes._steps[0] == pytest.approx([10, rational[1]])
    assert lanes._steps[1] == pytest.approx([rational[0], 10])


def test_trembles_post_other_prices():
    played = np.tile(np.arange(2), (400, 1))
    lanes = FollowerLanes(SMALL, constant(0.0), vmus.best_response, played, 0.25, seed=1)
    lanes.reset()
    assert np.mean(lanes.price != 10.5) == pytest.approx(0.25, abs=0.06)


def test_an_episode_ends_with_what_was_seen_in_its_own_market():
    arguments = {"max_cycles": 2, "satisfaction": aigc_market.Uniform(100, 300)}
    played = np.tile(np.arange(2), (3, 1))
    lanes = FollowerLanes(arguments, constant(0.0), vmus.best_response, played, 0.0, seed=1)
    first = lanes.reset()
    for _ in range(2):
        seen, _, dones, infos = lanes.step(np.zeros((6, 1), np.float32))
    assert dones.all()
    assert np.stack([info["terminal_observation"] for info in infos]) == pytest.approx(first)
    assert (seen[:, 0] != first[:, 0]).all()  # the next episode has other VMUs


def test_steps_and_actions_mean_each_other():
    market = settings_of({}).market
    actions = np.linspace(-1, 1, 9)
    assert to_actions(market, to_steps(market, actions)) == pytest.approx(actions)
    assert to_steps(market, np.array([-3.0, 3.0])) == pytest.approx([10, 250])


@pytest.mark.parametrize("count", [1, 2])
def test_followers_are_kept(tmp_path, count):
    settings = settings_of(SMALL)
    followers = untrained(settings, count)
    followers.save(tmp_path)
    again = Followers.load(tmp_path, settings)
    price, rng = np.array([2.0, 9.0, 15.0]), np.random.default_rng(0)
    steps = followers(settings.market, price, rng)
    assert steps.shape == (3, 2)
    assert (steps == again(settings.market, price, rng)).all()
    grid = np.stack([price, price + 1])  # prices of any shape
    assert followers(settings.market, grid, rng)[0] == pytest.approx(steps)


def test_independent_followers_need_a_policy_each(tmp_path):
    untrained(settings_of(SMALL), 2).save(tmp_path)
    with pytest.raises(ValueError, match=r"K must be 2.*got 3"):
        Followers.load(tmp_path, settings_of({"K": 3}))


def test_followers_of_another_kind_of_market_are_refused(tmp_path):
    untrained(settings_of(SMALL), 1).save(tmp_path)
    with pytest.raises(ValueError, match="must be one that looks like that of"):
        Followers.load(tmp_path, settings_of({"scenario": "hidden"}))


def test_absent_vmus_buy_nothing():
    arguments = {"scenario": "crowd"}
    settings = settings_of(arguments)
    followers = untrained(settings, 1)
    market = settings.market.replace(active=np.arange(10) < 4)
    steps = followers(market, np.full(5, 6.0), np.random.default_rng(0))
    assert (steps[:, :4] >= 10).all()
    assert (steps[:, 4:] == 0).all()


def test_rational_followers_have_no_gap_and_the_leaders_two_shares_agree():
    market = aigc_market.Market(K=2, satisfaction=SMALL["satisfaction"])
    measured = measure(ConstantLeader(6.0, market), vmus.best_response, SMALL, seed=0)
    assert measured["gap"] == measured["worst_gap"] == measured["gap_played"] == 0
    eq = aigc_market.solve(market)
    earned = aigc_market.game.leader_utility(market, 6.0)
    assert measured["share"] == pytest.approx(earned / eq.asp_utility, rel=1e-4)
    assert measured["share_learned"] == pytest.approx(measured["share"], rel=1e-3)


def test_followers_that_miss_the_best_response_have_the_verifiers_gap():
    market = aigc_market.Market(K=2, satisfaction=SMALL["satisfaction"])
    followers = vmus.MyopicDiscount(0.5)
    measured = measure(ConstantLeader(6.0, market), followers, SMALL, seed=0)
    steps = followers(market, 6.0, np.random.default_rng(0))
    lost = aigc_market.regret(market, 6.0, steps).followers
    best = aigc_market.best_response(market, 6.0)
    surplus = aigc_market.game.vmu_surplus(6.0, market.satisfaction, market.ssim, best)
    assert measured["gap_played"] == pytest.approx(lost.sum() / surplus.sum(), rel=1e-5)
    assert measured["worst_gap"] > measured["gap"] > 0


@pytest.fixture(scope="module")
def trained():
    rows = []
    model, followers, returned = train_both(
        "ppo", "shared-ppo", ALIKE, Training(episodes=100), BothTraining(), 0, rows.append
    )
    assert rows == returned
    return model, followers, rows


def test_both_sides_come_near_the_equilibrium(trained):
    first, last = trained[2][0], trained[2][-1]
    assert first["gap"] > 0.1
    assert last["gap"] < 0.02
    assert last["share"] > 0.98 > first["share"]
    assert last["share_learned"] > 0.97
    assert last["rounds"] == 2000


def test_the_same_seed_gives_the_same_numbers():
    runs = [
        train_both("tppo", "independent-ppo", SMALL, Training(episodes=10), BothTraining(), 3)[2]
        for _ in range(2)
    ]
    for row in (*runs[0], *runs[1]):
        del row["seconds"]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"continuous_actions": False}, "continuous_actions must be True"),
        ({"vmus": "noisy"}, "vmus must be left out.*noisy"),
    ],
)
def test_what_cannot_be_trained_is_said(arguments, match):
    with pytest.raises(ValueError, match=match):
        train_both("ppo", "shared-ppo", arguments, Training(), BothTraining(), 0)


@pytest.mark.parametrize(
    "bad", [{"leader_pace": 0}, {"tremble": 1.0}, {"follower_updates": 0}, {"every": 0}]
)
def test_bad_hyperparameters_are_named(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        BothTraining(**bad)


def test_best_responders_find_what_the_rules_say(monkeypatch):
    """The frozen leader is far too dear, the frozen followers hold back."""
    monkeypatch.setattr(exploiting, "FRESH_ROUNDS", 60_000)
    followers = vmus.MyopicDiscount(0.5)
    leader = ConstantLeader(8.0, settings_of(ALIKE).market)
    found = exploit(leader, followers, ALIKE, seed=0)  # type: ignore[arg-type]
    assert found.leader_exact > 0.2
    assert 0.9 * found.leader_exact < found.leader_trained < 1.001 * found.leader_exact
    assert found.followers_exact > 0.2
    assert 0.8 * found.followers_exact < found.followers_trained
    assert found.followers_trained < 1.001 * found.followers_exact  # prices stand still


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["baselines", *words])
    command_line.main()


def test_train_both_and_evaluate(monkeypatch, capsys, tmp_path):
    out = tmp_path / "run"
    words = ["--leader", "ppo", "--episodes", "10", "--max-cycles", "20", "--out", str(out)]
    run(monkeypatch, "train", "both", *words, "--followers", "independent-ppo")
    assert {path.name for path in out.iterdir()} == {
        "policy.pt",
        "followers.pt",
        "config.json",
        "curve.csv",
        "both.png",
    }
    assert json.loads((out / "config.json").read_text())["followers"] == "independent-ppo"
    printed = capsys.readouterr().out
    assert "share_learned" in printed
    assert "100.00%" not in printed.splitlines()[-2]  # ten episodes do not solve it
    run(monkeypatch, "evaluate", str(out))
    printed = capsys.readouterr().out
    assert "against the followers that it was trained with" in printed
    [share] = [line for line in printed.splitlines() if "leader's share of U_p*" in line]
    measured = (out / "curve.csv").read_text().splitlines()
    last = dict(zip(measured[0].split(","), measured[-1].split(","), strict=True))
    assert f"{float(last['share']):.2%}" in share
    with pytest.raises(SystemExit, match="must be one that looks like that of"):
        run(monkeypatch, "evaluate", str(out), "--K", "3")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["train", "ppo", "--leader", "ppo"], "--leader and --followers are for"),
        (["train", "both", "--vmus", "noisy"], "vmus must be left out"),
        (["train", "both", "--tensorboard", "x"], "tensorboard must be left out"),
        (["evaluate", "greedy", "--exploit"], "--exploit needs a folder"),
    ],
)
def test_errors_are_one_line(monkeypatch, words, match):
    with pytest.raises(SystemExit, match=match):
        run(monkeypatch, *words)


def test_a_lone_leaders_run_can_be_exploited(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(exploiting, "FRESH_ROUNDS", 6_400)
    run(
        monkeypatch,
        "train",
        "ppo",
        "--episodes",
        "10",
        "--max-cycles",
        "20",
        "--out",
        str(tmp_path),
    )
    run(monkeypatch, "evaluate", str(tmp_path), "--exploit")
    printed = capsys.readouterr().out
    assert "gain of a best responder" in printed
    [line] = [line for line in printed.splitlines() if "a follower" in line]
    assert line.split()[-2] == "0.00%"  # rational followers cannot do better at these prices
