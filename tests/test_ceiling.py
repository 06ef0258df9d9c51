"""The bound of what rules told the law can earn: each step against what it bounds."""

import csv
from pathlib import Path

import numpy as np
import pytest

from aigc_market.followers import Noisy
from baselines.arena.registry import REGISTRY
from baselines.arena.rollout import play
from baselines.arena.seeds import demonstration_seed
from baselines.arena.task import Task
from baselines.experiments.leaderboard import ceiling, two_markets
from baselines.experiments.leaderboard.two_markets import (
    HALF,
    Demands,
    Purchases,
    at_most,
    lost_later,
)

SIGMA = 0.3
DOCS = Path(__file__).parents[1] / "docs" / "hidden-markets"
LAW = ceiling.HiddenLaw.of(Task("hidden"))


@pytest.fixture(scope="module")
def tell():
    return Purchases(SIGMA)


def two(alpha=(2.0e-4, 3.2e-4), level=(150.0, 240.0), cells=120):
    """Two markets whose VMUs buy nearly the same where one of them is best off."""
    satisfaction = np.array(level)[:, None] * np.array([1.0, 1.3])
    prices = LAW.prices(cells)
    return Demands(LAW.public, np.array(alpha), np.full(2, 0.08), satisfaction, prices)


def earned(markets, prices):
    """(P, N) against rational followers, from their purchases."""
    bought = markets.bought(prices[:, None, None]).sum(axis=-1)
    return (prices[:, None] - float(LAW.public.cost)) * bought


def test_losses_stay_below_those_of_every_price_between():
    markets = Demands(LAW.public, *LAW.pairs(np.random.default_rng(0), 40, 0.3), LAW.prices(30))
    low, high = markets.prices[:-1], markets.prices[1:]
    for share in np.linspace(0, 1, 11):
        lost = markets.best - earned(markets, low + share * (high - low))  # (C, N)
        chord = (1 - share) * markets.lost[:, :-1] + share * markets.lost[:, 1:]
        floor = 1e-4 + 1e-6 * markets.best[:, None]
        assert np.all(chord <= lost.T + floor)
    # And not far below: at the grid itself all but what a cell can hide.
    at = markets.best - earned(markets, markets.prices)
    assert np.mean(at.T - markets.lost) < 0.05 * np.mean(at)


def test_the_farther_apart_two_rational_purchases_the_more_a_purchase_tells():
    """Blackwell's order of two hypotheses: E₀[(L − k)⁺] grows for all k."""
    log_k = np.linspace(-9, 9, 361)
    before = np.maximum(1 - np.exp(log_k), 0)
    for rho in np.concatenate([np.arange(0.002, 0.5, 0.002), np.arange(0.5, 3.6, 0.01)]):
        first, second = at_most(log_k, rho, SIGMA)
        some_first, _ = at_most(np.array(60.0), rho, SIGMA)  # else the first market is seen
        now = (1 - second) - np.exp(log_k) * (some_first - first)
        assert np.all(now >= before - 1e-11 * np.exp(np.maximum(log_k, 0)))
        before = now


@pytest.mark.parametrize("rho", [0.05, 0.7, -0.7])
def test_likelihood_ratios_are_those_of_purchases(rho):
    """By samples: of the least mean over two markets of what a rule of two answers loses."""
    rng = np.random.default_rng(0)
    factor = Noisy(SIGMA).factors((400_000,), rng).astype(float)
    by = np.exp(abs(rho))
    for log_k in (-1.0, -0.1, 0.0, 0.3, 1.5):
        first, _ = at_most(np.array(log_k), abs(rho), SIGMA)
        ratio = np.exp(-(((factor / by - 1) ** 2) - (factor - 1) ** 2) / (2 * SIGMA**2)) / by
        known = (factor > two_markets.LEAST_FACTOR * by) & (np.log(ratio) <= log_k)
        assert known.mean() == pytest.approx(float(first), abs=0.004)


def brute_force(markets, rounds, prices, samples=400, points=41):
    """The least that is lost in all rounds, both markets as likely: prices of a fine grid, odds
    on a grid with linear interpolation, purchases by common random numbers."""
    rng = np.random.default_rng(1)
    chances = np.linspace(0, 1, points)
    lost = np.maximum(markets.best - earned(markets, prices), 0)  # (P, 2)
    rational = markets.bought(prices[:, None, None])  # (P, 2, K)
    factors = Noisy(SIGMA).factors((samples, 2), rng).astype(float)

    def density(seen, wanted):
        there = wanted > 0
        scale = np.where(there, wanted, 1)
        ratio = seen / scale
        likely = np.exp(-((ratio - 1) ** 2) / (2 * SIGMA**2)) / scale * (ratio >= 0.05)
        return np.where(there, likely, seen == 0).prod(axis=-1)

    ratios = []
    for true in range(2):
        seen = factors * rational[:, None, true]  # (P, S, K)
        likely = [density(seen, rational[:, None, i]) for i in range(2)]
        ratios.append(np.stack(likely))  # (2, P, S)
    value = np.zeros(points)
    for _ in range(rounds):
        now = np.empty((points, len(prices)))
        for i, chance in enumerate(chances):
            later = 0.0
            for true, weight in enumerate((1 - chance, chance)):
                zero, one = ratios[true]
                posterior = chance * one / np.maximum(chance * one + (1 - chance) * zero, 1e-300)
                later = later + weight * np.interp(posterior, chances, value).mean(axis=1)
            now[i] = lost @ [1 - chance, chance] + later
        value = now.min(axis=1)
    return float(value[points // 2])


@pytest.mark.parametrize("rounds", [1, 2, 6])
def test_the_bound_of_two_markets_is_below_their_optimum_and_near_it(tell, rounds):
    markets = two()
    likely = tell(markets)
    later = lost_later(markets.lost, likely, [True] * (rounds - 1))[:, HALF]
    first = np.maximum(markets.lost.sum(axis=0), 0)
    least = float(0.5 * (first + later).min())
    best = brute_force(markets, rounds, np.geomspace(1, 20, 150))
    assert least <= best * 1.02  # samples
    assert least >= best * (0.9 if rounds == 1 else 0.6)


def test_a_list_of_one_pair_over_and_over_is_bounded_by_its_optimum(tell):
    """Purchases of the first round sampled, then those of the second, then the pair is told."""
    copies, rounds, pair = 100, 3, two()
    later = lost_later(pair.lost, tell(pair), [True] * (rounds - 2)).T
    listed = pair.some(np.tile([0, 1], copies))
    first = np.maximum(pair.lost.mean(axis=0), 0)
    rng, least = np.random.default_rng(0), []
    for cell in range(50, 118, 2):
        mass = ceiling.purchases_of_a_cell(listed, cell, SIGMA, rng)
        after = ceiling.lost_after_two(mass, listed.lost, np.stack([later] * copies))
        least.append(min(first[cell : cell + 2]) + after / (2 * copies))
    best = brute_force(pair, rounds, np.geomspace(1, 20, 150))
    assert 0.6 * best < min(least) <= best * 1.02


def test_partners_are_partners_of_each_other_and_keep_the_law():
    low, high = np.log([1.2e-4, 80]), np.log([4e-4, 400])
    place = np.random.default_rng(0).uniform(low, high, (100_000, 2))
    other = ceiling.partner(place, low, high, 0.28)
    np.testing.assert_allclose(ceiling.partner(other, low, high, 0.28), place, atol=1e-9)
    assert np.all((other >= low) & (other <= high))
    assert np.all(np.abs(other - place).max(axis=1) < 0.28 * 1.5)
    for bins in (np.histogram2d(*x.T, bins=6, range=np.c_[low, high])[0] for x in (place, other)):
        assert np.abs(bins / len(place) * 36 - 1).max() < 0.1


def test_samples_of_a_cell_weigh_what_its_prices_have_in_common():
    """The masses of all markets add up to one less what the market is told in."""
    rng = np.random.default_rng(0)
    markets = Demands(LAW.public, *LAW.pairs(rng, 200, 0.3), LAW.prices(120))
    mass = ceiling.purchases_of_a_cell(markets, 90, SIGMA, rng)
    kept = mass.sum() / len(markets.best)
    assert 0.75 < kept < 0.97
    # What is known of the second round's best price is worth something, and never everything.
    blind = markets.lost.mean(axis=0).min()
    seeing = (mass @ markets.lost).min(axis=1).sum() / len(markets.best)
    assert 0.05 * blind < seeing < 0.6 * blind


def test_lists_bound_what_a_rule_told_the_law_loses(monkeypatch):
    """In ten rounds: two short lists, and a rule in episodes of the same law."""
    monkeypatch.setattr(ceiling, "CELLS", 60)
    lists = [ceiling.PairedList(Task("hidden"), "1-10", seed, 30).lost() for seed in range(2)]
    lost, best = (np.array(part) for part in zip(*lists, strict=True))
    share = ceiling.bound(lost, best, 10).share
    assert 0.94 < share < 0.99
    task = Task("hidden", {"max_cycles": 10})
    method = REGISTRY["bayes"].make(task, 100, 0)
    assert play(method, task, 100, demonstration_seed(0)).share < share


def test_the_interval_is_over_lists():
    lost, best = np.array([[3.0, 4.0], [5.0, 4.0]]), np.array([10.0, 10.0])
    found = ceiling.bound(lost, best, 2)
    assert found.rounds == pytest.approx(0.4)
    assert found.share == pytest.approx(0.8)
    assert found.low == pytest.approx(0.4 - 12.7062047 * 0.1)  # t with one degree of freedom
    assert found.high == pytest.approx(1 - found.low / 2)


def test_no_row_of_the_leaderboard_is_above_the_ceiling():
    with (DOCS / "ceiling.csv").open() as file:
        ceilings = {row["window"]: row for row in csv.DictReader(file)}
    with (DOCS / "leaderboard.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["scenario"] == "hidden"]
    assert {row["window"] for row in rows} == set(ceilings)
    for row in rows:
        assert float(row["share"]) <= float(ceilings[row["window"]]["share"]), row["method"]


@pytest.mark.parametrize("scenario", ["drift", "capacity", "crowd", "saturating", "paper"])
def test_other_laws_are_refused(scenario):
    with pytest.raises(ValueError, match="scenario must be as hidden for a ceiling"):
        ceiling.HiddenLaw.of(Task(scenario))


@pytest.mark.parametrize(("option", "value"), [("lists", 1), ("pairs", 0), ("seed", -1)])
def test_bad_options_are_named(option, value, tmp_path):
    with pytest.raises(ValueError, match=f"--{option} must be"):
        ceiling.ceiling(**{option: value}, out=tmp_path)


def test_the_command_writes_a_row_for_each_window(tmp_path, monkeypatch):
    monkeypatch.setattr(ceiling, "CELLS", 24)
    ceiling.ceiling(lists=2, pairs=2, out=tmp_path, workers=1)
    with (tmp_path / "ceiling.csv").open() as file:
        assert [row["window"] for row in csv.DictReader(file)] == ["1-10", "11-100", "all"]
    kept = next((tmp_path / "lists").iterdir())
    for broken, said in ((lambda: kept.write_bytes(b""), ""), (lambda: np.savez(kept), "lost")):
        broken()
        with pytest.raises(ValueError, match=f"{kept.name}: must .*{said}"):
            ceiling.ceiling(lists=2, pairs=2, out=tmp_path, workers=1)
