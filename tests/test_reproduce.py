"""The command line, the CSV files, the figures and the report."""

import dataclasses
import inspect
import shutil

import numpy as np
import pandas as pd
import pytest
from matplotlib import image
from scipy import stats
from views import pricing

from baselines.arena.arguments import EnvArguments, given
from baselines.experiments.paper import claims, paper_report, reproduce
from baselines.experiments.paper import fig2 as figures
from baselines.experiments.paper.runs import METHODS, OTHERS
from baselines.report import percent
from baselines.runs.files import write_json

SHARES = {"tppo": 0.99, "ppo": 0.97, "greedy": 0.9, "random": 0.5, "equilibrium": 1.0}


def results(out, seeds, better=0.0):
    """Made-up results in a folder: each method at its share of U_p*, with noise by the seed.

    Returns the runs that they are of.
    """
    runs = reproduce.plan("paper", seeds, seeds)
    for run in runs:
        share = SHARES[run.method] + better * (run.method == "ppo")
        write_results(run, out, lambda seed, run=run, share=share: share + noise(run, seed))
    return runs


def noise(run, seed):
    if run.method == "equilibrium":
        return 0.0
    rng = np.random.default_rng((seed, METHODS.index(run.method), run.num_vmus))
    return rng.normal(0, 1e-3)


def write_results(run, out, share_of, played=0.005):
    best = 704.0 * run.num_vmus - 150 * run.cost
    records = []
    for seed in run.seeds:
        share = share_of(seed)
        records.append(
            {
                "seed": seed,
                "price": 7.5 + 0.5 * run.cost,
                "utility": share * best,
                "equilibrium_price": 7.5 + 0.5 * run.cost,
                "equilibrium_utility": best,
                "exploiting": (share + played) * best,
                "rounds": 20_000,
                "seconds": 1.0,
                "episodes": (share * best * np.linspace(0.7, 1, 200)).tolist(),
                "live": [],
            }
        )
    write_json(run.file(out), {"results": records})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a report with variants, that no test changes."""
    out = tmp_path_factory.mktemp("results")
    runs = results(out, seeds=4)
    variants = reproduce.plan_variants(runs)
    for run in variants:
        usual, [seed] = SHARES[run.method] + noise(run, run.seeds[0]), run.seeds
        worse = 0.98 if run.recipe.gamma else 1 + 1e-4 * seed
        write_results(run, out, lambda _, share=worse * usual: share, 0.005 * worse)
    reproduce.write_csvs(out, runs, variants, market_seeds=3)
    paper_report.write(out, {"seeds": 4})
    return out


def test_csvs_are_tidy(folder):
    runs = pd.read_csv(folder / "runs.csv")
    numbers = "price,utility,equilibrium_price,equilibrium_utility,rounds,seconds"
    assert ",".join(runs.columns) == f"figure,method,num_vmus,cost,seed,{numbers}"
    assert set(runs["figure"]) == {"2a", "2b", "2c", "2d"}
    # Four seeds in 2(a), three of every market elsewhere, one of the equilibrium.
    assert len(runs) == (4 * 4 + 1) + 3 * 5 * (4 * 3 + 1)
    assert not runs.duplicated(["figure", "method", "num_vmus", "cost", "seed"]).any()
    assert not runs.isna().any().any()
    assert set(runs[runs["figure"] == "2c"]["num_vmus"]) == {2, 3, 4, 5, 6}
    assert set(runs[runs["figure"] == "2b"]["cost"]) == {1, 2, 3, 4, 5}
    curves = pd.read_csv(folder / "curves.csv")
    assert list(curves.columns) == ["method", "seed", "episode", "utility"]
    assert curves.groupby(["method", "seed"])["episode"].max().eq(200).all()
    assert set(curves["method"]) == {"tppo", "ppo", "greedy", "random"}
    learning = pd.read_csv(folder / "learning.csv")
    assert list(learning.columns[:5]) == ["method", "gamma", "query", "seed", "episodes"]
    assert list(learning.columns[5:]) == ["reached", "training", "end", "exploiting"]
    arms = learning.groupby(["method", "gamma", "query"], dropna=False).size()
    assert len(arms) == 4 + len(reproduce.VARIANTS)
    assert arms.eq(4).all()


def test_what_is_measured_of_a_curve(folder):
    runs, learning = paper_report.read(folder)
    curves = pd.read_csv(folder / "curves.csv").groupby(["method", "seed"])["utility"]
    best = runs["equilibrium_utility"][runs["figure"] == "2a"].iloc[0]
    used = learning[~learning["gamma"].gt(0) & learning["query"].ne("learnt")]
    assert set(used["method"]) == set(METHODS) - {"equilibrium", *OTHERS}
    for row in used.itertuples():
        shares = curves.get_group((row.method, row.seed)).to_numpy() / best
        assert row.training == pytest.approx(shares.mean(), abs=1e-5)
        assert row.end == pytest.approx(shares[-20:].mean(), abs=1e-5)
        # They rise by equal steps, so that interpolation is exact.
        near = np.interp(claims.NEAR, shares, np.arange(1, 201), right=200)
        assert row.reached == pytest.approx(near, abs=1)


def test_figures_are_drawn_from_the_csvs_alone(folder, tmp_path):
    for table in ("runs.csv", "curves.csv"):
        shutil.copy(folder / table, tmp_path)
    figures.draw(tmp_path)
    names = {f"fig2{x}.png" for x in ("a", "b", "c", "d", "bcd")}
    assert {path.name for path in tmp_path.glob("fig*")} == names
    for name in names:
        pixels = image.imread(tmp_path / name)
        assert pixels.shape[:2] == ((480, 1305) if "bcd" in name else (720, 960))
        assert 0.01 < (pixels[..., :3].min(axis=-1) < 0.5).mean() < 0.3  # lines on white


def verdicts(text):
    rows = [row.strip("| ").split(" | ") for row in text.splitlines() if row.startswith("|")]
    return {(row[0], row[1].partition(",")[0]): row[-1] for row in rows if len(row) == 4}


def test_the_report_says_which_claims_hold(folder):
    found = verdicts((folder / "report.md").read_text())
    assert found["TPPO converges higher than PPO", "share of U_p*"] == "holds"
    assert found["TPPO beats Random", "share of U_p*"] == "holds"
    measure = "smallest change of utility from one K to the next"
    assert found["Utility rises with the number of VMUs (TPPO)", measure] == "holds"
    # Its shares are .99 ± .001, a hundredth below the equilibrium.
    assert found["TPPO tracks the equilibrium in (b)–(d)", "share of U_p* less 1"] == "fails"
    assert found["TPPO with γ = 0 converges higher than with γ = 0.9", "share of U_p*"] == "holds"
    queries = "TPPO queried by the last price converges higher than queried by a learnt vector"
    assert found[queries, "share of U_p*"].endswith(", by less than 0.1 %")


def test_the_report_says_when_a_claim_fails(tmp_path):
    runs = results(tmp_path, seeds=3, better=0.03)
    (tmp_path / "live.csv").write_text("of an earlier run into the same folder\n")
    reproduce.write_csvs(tmp_path, runs)
    text = paper_report.write(tmp_path, {}).read_text()
    [row] = [row for row in text.splitlines() if "TPPO ends higher than PPO" in row]
    assert row.endswith("fails: lower |")
    assert "## Variants" not in text
    assert "## Live rounds" not in text


@pytest.mark.parametrize(
    ("low", "high", "verdict", "of_equality"),
    [
        (0.5, 2.0, "holds", "undecided"),
        (1.5, 2.0, "holds", "fails"),
        (-2.0, -0.5, "fails: lower", "undecided"),
        (-2.0, -1.5, "fails: lower", "fails"),
        (-0.5, 2.0, "undecided", "undecided"),
        (-2.0, 2.0, "undecided", "undecided"),
        (0.1, 0.9, "holds, by less than 100 %", "holds"),
        (-1.0, -0.2, "fails: lower, by less than 100 %", "holds"),
        (-0.9, 1.0, "undecided, by less than 100 %", "holds"),
    ],
)
def test_the_rule_of_verdicts(low, high, verdict, of_equality):
    mean, half = (low + high) / 2, (high - low) / 2
    n = 12  # differences with just this interval
    noise = np.resize([1.0, -1.0], n)
    scale = half * (1 - 1e-9) / (stats.t.ppf(0.975, n - 1) * stats.sem(noise))
    claim = claims.Claim("", "", mean + scale * noise, margin=1.0)
    np.testing.assert_allclose(claim.interval(), (mean, low, high), rtol=1e-6)
    assert claim.verdict() == verdict
    assert dataclasses.replace(claim, of_equality=True).verdict() == of_equality


def test_one_seed_decides_nothing():
    assert claims.Claim("", "", np.array([1.0])).verdict() == "undecided"


def test_differences_are_of_the_same_seeds(folder):
    runs, learning = paper_report.read(folder)
    [claim] = [
        claim
        for claim in claims.of_paper(runs, learning)
        if claim.text == "TPPO ends higher than PPO"
    ]
    used = learning[~learning["gamma"].gt(0) & learning["query"].ne("learnt")]
    by_seed = used.pivot_table(index="seed", columns="method", values="exploiting")
    assert len(by_seed) == 4
    np.testing.assert_allclose(claim.differences, by_seed["tppo"] - by_seed["ppo"])


def test_the_worst_market_is_the_one_that_is_judged(folder):
    runs, _ = paper_report.read(folder)
    assert "K = " in claims.tracking(runs, "tppo").measure
    bad = runs.assign(utility=runs["utility"].where(runs["num_vmus"] != 4, 0.5 * runs["utility"]))
    claim = claims.tracking(bad, "tppo")
    assert "(K = 4, c = 1)" in claim.measure
    assert claim.interval()[0] == pytest.approx(0.495 - 1, abs=0.01)
    assert len(claim.differences) == 3


def test_shares_are_rounded_down():
    assert percent(0.99997) == "99.997 %"
    assert percent(0.9999999) == "100.000 %"  # of prices in float32
    assert percent(0.999999) == "99.999 %"
    assert percent(0.5) == "50.000 %"


def test_episodes_to_the_mark_are_counted():
    curve = np.repeat([0.5, 0.7, 0.9, 1.0, 1.0], 10)
    assert claims.episodes_to(curve, 10) == pytest.approx(25 + 10 / 2)
    assert claims.episodes_to(np.full(50, 0.5), 10) == 50
    assert claims.episodes_to(np.ones(50), 10) == 5


def test_reproduce_runs_from_end_to_end(tmp_path, monkeypatch, capsys):
    tiny = {"lanes": 2, "n_steps": 10, "batch_size": 10, "n_epochs": 1}
    usual = reproduce.recipe
    monkeypatch.setattr(
        reproduce, "recipe", lambda *given: dataclasses.replace(usual(*given), **tiny)
    )
    monkeypatch.setattr(reproduce, "QUICK_ROUNDS", 200)
    reproduce.reproduce(quick=True, out=tmp_path, workers=1, variants=True)
    assert len(pd.read_csv(tmp_path / "learning.csv")) == 4 + len(reproduce.VARIANTS)
    assert {path.name for path in tmp_path.iterdir()} >= {
        "runs.csv",
        "curves.csv",
        "learning.csv",
        "report.md",
        "fig2a.png",
        "fig2d.png",
    }
    assert "of the equilibrium's utility" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.tmp"))
    with pytest.raises(ValueError, match="seeds must be a whole number of at least 1, got 0"):
        reproduce.reproduce(seeds=0, out=tmp_path)


def test_every_argument_of_the_environments_is_an_option():
    with pytest.raises(TypeError, match="allowed: ") as error:
        type(pricing())(prize=1)
    allowed = set(str(error.value).split("allowed: ")[1].split(", "))
    assert set(inspect.signature(EnvArguments).parameters) == allowed - {"render_mode", "judged"}


def test_options_become_arguments(tmp_path):
    (tmp_path / "table.csv").write_text("steps,ssim\n0,0\n300,1\n")
    law, table = ("loguniform", "80", "400"), f"{tmp_path}/table.csv"
    options = given(EnvArguments(satisfaction=law, ssim=table, K=4).as_json())
    assert options["K"] == 4
    assert (options["satisfaction"].low, options["satisfaction"].high) == (80, 400)
    assert options["ssim"].max_steps == 300
    plain = given(EnvArguments(satisfaction=("50", "400")).as_json())
    assert plain == {"satisfaction": [50.0, 400.0]}


def test_other_learners_are_held_to_the_equilibrium(tmp_path):
    runs = reproduce.plan("paper", 3, 3, others=("sac", "sac"))  # said twice, run once
    for run in runs:
        lost = {"sac": 0.01, "tppo": 0.0, "ppo": 0.0005}.get(run.method, 0.3)
        write_results(run, tmp_path, lambda seed, lost=lost: 1.0 - lost + 1e-5 * seed)
    reproduce.write_csvs(tmp_path, runs)
    table, learning = paper_report.read(tmp_path)
    assert "sac" not in set(learning["method"])
    assert not table.duplicated(["figure", "method", "num_vmus", "cost", "seed"]).any()
    verdicts = {c.text.split()[0]: c.verdict() for c in claims.of_others(table)}
    assert verdicts == {"TPPO": "holds", "PPO": "holds", "SAC": "fails"}
    with pytest.raises(ValueError, match="others must be one of"):
        reproduce.reproduce(others=("nobody",), out=tmp_path)
