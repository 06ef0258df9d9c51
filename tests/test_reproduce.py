"""The command line, the CSV files, the figures and the report."""

import dataclasses
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib import image
from scipy import stats

from baselines.arena.arguments import EnvArguments
from baselines.experiments.paper import fig2 as figures
from baselines.experiments.paper import report, reproduce
from baselines.experiments.paper.sweep import METHODS

SHARES = {"tppo": 0.99, "ppo": 0.97, "greedy": 0.9, "random": 0.5, "equilibrium": 1.0}


def results(seeds, better=0.0):
    """Made-up results: every method at its share of U_p*, with noise that the seed decides."""
    made = {}
    for K, cost in sorted({(2, float(c)) for c in range(1, 6)} | {(k, 1.0) for k in range(2, 7)}):
        for method in METHODS:
            for seed in range(seeds):
                run = reproduce.make_run(method, "paper", K, cost, seed)
                noise = np.random.default_rng((seed, METHODS.index(method), K)).normal(0, 1e-3)
                share = SHARES[method] + noise * (method != "equilibrium")
                share += better * (method == "ppo")
                best = 704.0 * K - 150 * cost
                made[run] = {
                    **run.settings,
                    "price": 7.5 + 0.5 * cost,
                    "utility": share * best,
                    "equilibrium_price": 7.5 + 0.5 * cost,
                    "equilibrium_utility": best,
                    "regret": 0.0,
                    "rounds": 20_000,
                    "seconds": 1.0,
                    "episodes": (share * best * np.linspace(0.7, 1, 200)).tolist(),
                }
    return made


@pytest.fixture
def folder(tmp_path):
    made = results(seeds=3)
    reproduce.write_csvs(tmp_path, made, made)
    report.write(tmp_path, {"seeds": 3})
    figures.draw(tmp_path)
    return tmp_path


def test_csvs_are_tidy(folder):
    runs = pd.read_csv(folder / "runs.csv")
    assert list(runs.columns) == list(reproduce.RUN_COLUMNS)
    assert set(runs["figure"]) == {"2a", "2b", "2c", "2d"}
    assert len(runs) == 15 * (1 + 5 + 5 + 5)
    assert not runs.duplicated(["figure", "method", "num_vmus", "cost", "seed"]).any()
    assert not runs.isna().any().any()
    assert set(runs[runs["figure"] == "2c"]["num_vmus"]) == {2, 3, 4, 5, 6}
    assert set(runs[runs["figure"] == "2b"]["cost"]) == {1, 2, 3, 4, 5}
    curves = pd.read_csv(folder / "curves.csv")
    assert list(curves.columns) == list(reproduce.CURVE_COLUMNS)
    assert curves.groupby(["method", "seed"])["episode"].max().eq(200).all()
    assert set(curves["method"]) == {"tppo", "ppo", "greedy", "random"}


def test_figures_are_drawn_from_the_csvs_alone(folder):
    for name in ("runs", "report.md"):
        if (folder / name).exists():
            (folder / name).unlink()
    first = {path: path.read_bytes() for path in sorted(folder.glob("fig*"))}
    assert {path.name for path in first} == {
        f"fig2{x}{suffix}" for x in "abcd" for suffix in (".png", ".svg")
    }
    for path in first:
        path.unlink()
    figures.draw(folder)
    for path, before in first.items():
        if path.suffix == ".png":
            pixels = image.imread(path)
            assert pixels.shape[:2] == (720, 960)
            assert 0.01 < (pixels[..., :3].min(axis=-1) < 0.5).mean() < 0.3  # lines on white
        else:
            assert path.read_bytes() == before
            text = "".join(ElementTree.fromstring(before.decode()).itertext())
            assert "Stackelberg" in text or "<use" in before.decode()


def test_the_report_says_which_claims_hold(folder):
    text = (folder / "report.md").read_text()
    verdicts = {
        row.split(" | ")[0][2:]: row.split(" | ")[-1][:-2]
        for row in text.splitlines()
        if row.count(" | ") == 3
    }
    assert verdicts["TPPO converges higher than PPO (last tenth of training)"] == "holds"
    assert verdicts["TPPO beats Random (last tenth of training)"] == "holds"
    assert verdicts["Utility rises with the number of VMUs (TPPO)"] == "holds"
    assert (
        verdicts["TPPO tracks the equilibrium in (b)–(d)"] == "fails"
    )  # its shares are .99 ± .001


def test_the_report_says_when_a_claim_fails(tmp_path):
    made = results(seeds=3, better=0.03)
    reproduce.write_csvs(tmp_path, made, made)
    text = report.write(tmp_path, {}).read_text()
    [row] = [row for row in text.splitlines() if "ends higher than PPO" in row]
    assert row.endswith("fails |")


def test_intervals_are_students(folder):
    differences = np.array([0.01, 0.03, 0.02])
    _, _, interval, verdict = report._claim("", "", differences)
    half = stats.t.ppf(0.975, 2) * differences.std(ddof=1) / np.sqrt(3)
    assert interval == f"{0.02:.4g} [{0.02 - half:.4g}, {0.02 + half:.4g}]"
    assert verdict == "undecided"
    assert report._claim("", "", differences + 1)[3] == "holds"
    assert report._claim("", "", differences - 1)[3] == "fails"
    assert report._claim("", "", np.array([1.0]))[3] == "undecided (one seed)"
    assert report._claim("", "", np.full(3, -3.0))[2:] == (
        "-3 in every seed",
        "undecided (no spread)",
    )


def test_episodes_to_the_mark_are_counted():
    curve = pd.DataFrame({0: [0.0] * 20 + [1.0] * 80, 1: [0.5] * 100}, index=range(1, 101))
    np.testing.assert_array_equal(report._episodes_to(curve), [30, 100])


def test_reproduce_runs_from_end_to_end(tmp_path, monkeypatch, capsys):
    tiny = {"lanes": 2, "n_steps": 10, "batch_size": 10, "n_epochs": 1}
    usual = reproduce.recipe
    monkeypatch.setattr(
        reproduce, "recipe", lambda *given: dataclasses.replace(usual(*given), **tiny)
    )
    monkeypatch.setattr(reproduce, "QUICK_ROUNDS", 400)
    reproduce.reproduce(quick=True, out=tmp_path, workers=1)
    assert {path.name for path in tmp_path.iterdir()} >= {
        "runs.csv",
        "curves.csv",
        "report.md",
        "fig2a.png",
        "fig2d.svg",
    }
    assert "of the equilibrium's utility" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.tmp"))
    with pytest.raises(ValueError, match="seeds must be a whole number of at least 1, got 0"):
        reproduce.reproduce(seeds=0, out=tmp_path)


def test_every_argument_of_the_environments_is_an_option():
    import inspect

    from aigc_market.envs.settings import Settings

    own = [f.name for f in dataclasses.fields(Settings) if f.name != "market"]
    expected = {*Settings.parameters, *own, "vmus"} - {"render_mode"}
    assert set(inspect.signature(EnvArguments).parameters) == expected


def test_options_become_arguments(tmp_path):
    (tmp_path / "table.csv").write_text("steps,ssim\n0,0\n300,1\n")
    given = EnvArguments(
        satisfaction=("loguniform", "80", "400"), ssim=f"{tmp_path}/table.csv", K=4
    ).given()
    assert given["K"] == 4
    assert (given["satisfaction"].low, given["satisfaction"].high) == (80, 400)
    assert given["ssim"].max_steps == 300
    assert EnvArguments(satisfaction=("50", "400")).given() == {"satisfaction": [50.0, 400.0]}
