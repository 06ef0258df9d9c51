"""`python -m baselines ceiling`: what no rule earns on `hidden`, were it told the law.

An information relaxation (Brown, Smith & Sun, Operations Research 58(4), 2010): a leader that is
told more than any rule can know loses no more than the best rule. What it is told:

1. Before the first round, a list of markets in pairs; its own is one of them, and each is as
   likely. (Markets are drawn by the law; of each its partner by a map that is its own inverse and
   keeps the law: given β and what δ_k is of the level, (ln α, ln level) is uniform on a rectangle.
   There each line of one direction is cut into pieces of even number and equal length, and
   neighbours are partners. So, given the unordered list, nothing says which one is its own.)
2. After the first round, what the purchases say of a price of the cell where its price lies, by
   densities that are the least of those at the two ends; with the probability that these leave
   open, which market it is. (From that the purchases at its price can be drawn, whatever it is
   in the cell: the density of a purchase y first rises and then falls with what is rational, so
   that the least stands at an end.)
3. After the price of the second round, which of the pairs its market is of. From then on what it
   loses is found by dynamic programming: see `two_markets`.

The direction of the pairs is that in which they are told apart worst: α and δ rise together, and
near its best price a VMU buys about as much in both.

The expectation over lists of the least loss is a lower bound of what any rule loses. A mean over
lists estimates it at each first price without bias: purchases of the first round are sampled from
the list, and the least over second prices is of exact sums for each sample.

Where the first rounds do not count they are free: the pair is then told at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from aigc_market import _checks
from aigc_market import followers as scripted
from aigc_market._files import read_arrays
from aigc_market.distributions import DrawnQuadratic, LogUniform, SharedLevel
from aigc_market.followers import LEAST_FACTOR
from aigc_market.market import Market
from baselines.arena.task import Task
from baselines.experiments.leaderboard.evaluation import WINDOWS
from baselines.experiments.leaderboard.two_markets import (
    HALF,
    LOG_ODDS,
    STEP,
    Demands,
    Purchases,
    lost_later,
)
from baselines.runs.digest import code_digest
from baselines.runs.files import holding, write_atomically, write_csv
from baselines.runs.runner import Runner

APART = {"1-10": 0.7, "11-100": 0.14, "all": 0.28}
"""About how far the markets of a pair are apart, in ln α and ln δ (the root of both squares).

Any is a bound. These were chosen among three to five each by what they lose, on other seeds."""
CELLS = 120
_NOISE = scripted.Noisy()
"""The one for which `two_markets` was checked."""
_KEPT = ("lost", "best", "seconds")
_PATIENCE = 2.5
"""First prices that lose so many times the least are not looked at further: it is their bound."""


class Bound(NamedTuple):
    """What is lost of a window at least."""

    rounds: float
    """As a number of rounds of U*."""
    low: float
    """The lower end of its 95 % interval, over lists."""
    share: float
    """The share of U* that no rule earns more of."""
    high: float
    """The upper end of its interval."""


@dataclass(frozen=True)
class HiddenLaw:
    """How the markets of `hidden` are drawn.

    Raises (`of`):
        ValueError: a task of another kind.
    """

    public: Market
    ssim: DrawnQuadratic
    satisfaction: SharedLevel
    sigma: float
    T: int

    @classmethod
    def of(cls, task: Task) -> HiddenLaw:
        """The law of a task."""
        settings = task.settings()
        followers = task.arguments.get("followers", settings.scenario.followers)
        public, ssim, satisfaction = settings.market, settings.ssim, settings.satisfaction
        known = (
            scripted.resolve(followers) == _NOISE
            and isinstance(ssim, DrawnQuadratic)
            and isinstance(ssim.alpha, LogUniform)
            and isinstance(satisfaction, SharedLevel)
            and isinstance(satisfaction.level, LogUniform)
            and not settings.scenario.moves
            and settings.capacity is None
            and public.capacity is None
            and public.min_steps == 0
        )
        if not known:
            raise ValueError(
                "scenario must be as hidden for a ceiling (a drawn quadratic SSIM with a "
                "log-uniform α, a log-uniform level of δ, followers 'noisy' who may decline, no "
                f"capacity and no moves), got {task.name!r}"
            )
        return cls(public, ssim, satisfaction, _NOISE.sigma, settings.max_cycles)

    def prices(self, cells: int) -> np.ndarray:
        """(V,) from c to p_max, V − 1 cells of equal ratio."""
        return np.geomspace(float(self.public.cost), float(self.public.max_price), cells + 1)

    def pairs(
        self, rng: np.random.Generator, pairs: int, apart: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """α and β (2P,) and δ (2P, K) of P pairs: partners stand side by side.

        Args:
            rng: of the draws.
            pairs: P.
            apart: how far partners are apart at most, about; see `APART`.
        """
        alpha, level = self.ssim.alpha, self.satisfaction.level
        low = np.log([alpha.low, level.low])
        high = np.log([alpha.high, level.high])
        place = rng.uniform(low, high, (pairs, 2))
        place = np.stack([place, partner(place, low, high, apart)], axis=1).reshape(-1, 2)
        beta = np.repeat(self.ssim.beta.draw(rng, (pairs,)), 2)
        normals = np.clip(rng.standard_normal((pairs, self.public.K)), -4, 4)
        own = np.repeat(np.exp(self.satisfaction.spread * normals), 2, axis=0)
        return np.exp(place[:, 0]), beta, np.exp(place[:, 1, None]) * own


def partner(place: np.ndarray, low: np.ndarray, high: np.ndarray, apart: float) -> np.ndarray:
    """The partners of points (n, 2) of a rectangle, on the lines on which both rise alike."""
    along = np.full(2, np.sqrt(0.5))
    begins = -((place - low) / along).min(axis=1)
    length = ((high - place) / along).min(axis=1) - begins
    pieces = 2 * np.maximum(np.round(length / (2 * apart)), 1)
    piece = length / pieces
    number = np.minimum(np.floor(-begins / piece), pieces - 1)
    step = np.where(number % 2 == 0, piece, -piece)
    return place + step[:, None] * along


def purchases_of_a_cell(
    demands: Demands, cell: int, sigma: float, rng: np.random.Generator
) -> np.ndarray:
    """Samples of what is bought at the prices of a cell, one of each market of a list.

    Args:
        demands: M markets.
        cell: of the prices between the one of this number and the next.
        sigma: of the noise.
        rng: of the samples.

    Returns:
        (n, M) with n ≤ M: for each sample the least densities in each market, divided by M times
        the density that it was drawn by. Of the M − n others the market is told.
    """
    low, high = demands.prices[cell : cell + 2]
    regular = ((demands.choke <= low) | (demands.choke > high)).all(axis=1)
    factor = 1 + sigma * rng.standard_normal(demands.choke.shape)
    ends = demands.bought(np.array([low, np.sqrt(low * high), high])[:, None, None])
    seen = (factor * ends[1])[regular & (factor > LEAST_FACTOR).all(axis=1)]
    least, drawn = np.ones((2, len(seen), len(regular)))
    for k in range(demands.choke.shape[1]):
        most, middle, fewest = (_density(seen[:, k, None], end[None, :, k], sigma) for end in ends)
        least *= np.minimum(most, fewest)
        drawn *= middle
    least, drawn = least * regular, drawn * regular
    return least / drawn.sum(axis=1, keepdims=True)


def _density(seen: np.ndarray, rational: np.ndarray, sigma: float) -> np.ndarray:
    """Of a purchase above its least; where none is rational, 1 of none."""
    buys = rational > 0
    scale = np.where(buys, rational, 1.0)
    ratio = seen / scale
    density = np.exp(-0.5 * ((ratio - 1) / sigma) ** 2) / scale
    return np.where(buys, density * (ratio > LEAST_FACTOR), seen == 0)


def lost_after_two(mass: np.ndarray, lost: np.ndarray, later: np.ndarray) -> float:
    """The sum over samples of what is lost from the second round on, at its best price.

    Args:
        mass: (n, 2P) of samples of the first round's purchases.
        lost: (2P, V) in a round.
        later: (P, I, V) of each pair, as `lost_later` of the second round.
    """
    total = np.maximum(mass @ lost, 0.0)
    odds = np.exp(LOG_ODDS)
    for j, of_pair in enumerate(later):
        first, second = mass[:, 2 * j], mass[:, 2 * j + 1]
        both = np.flatnonzero((first > 0) & (second > 0))
        first, second = first[both], second[both]
        place = np.floor((np.log(second) - np.log(first)) / STEP).astype(int) + HALF
        inside = (place >= 0) & (place < 2 * HALF)  # others are told the truth
        both, first, second = both[inside], first[inside], second[inside]
        place = place[inside]
        # What is lost is concave in (first, second): no less than on the chord of two odds.
        upper = (second - odds[place] * first) / (odds[place + 1] - odds[place])
        upper = np.clip(upper, 0, first)[:, None]
        total[both] += (first[:, None] - upper) * of_pair[place] + upper * of_pair[place + 1]
    return float(total.min(axis=1).sum())


@dataclass(frozen=True)
class PairedList:
    """What is lost at least by a leader that is told a list of pairs: a unit of work.

    Args:
        task: as `hidden`.
        window: of the rounds that count, see `WINDOWS`.
        seed: of the list.
        pairs: P.
    """

    task: Task
    window: str
    seed: int
    pairs: int

    def __str__(self) -> str:
        return f"{self.pairs} pairs of {self.task.name}, rounds {self.window}, seed {self.seed}"

    def file(self, out: Path) -> Path:
        """Different for all that the result depends on."""
        plan = [self.window, self.seed, self.pairs, APART[self.window], CELLS]
        digest = self.task.digest(plan, code_digest(__name__))
        name = f"{self.task.name}-{self.window}-seed{self.seed}-{digest}.npz"
        return out / "lists" / name

    def execute(self, out: Path) -> None:
        """Keep `lost` (V − 1,), by the cell of the first price, `best`, E U*, and `seconds`."""
        began = time.process_time()
        lost, best = self.lost()
        arrays: dict[str, Any] = {"lost": lost, "best": best}
        arrays["seconds"] = time.process_time() - began
        write_atomically(self.file(out), lambda file: np.savez(file, **arrays))

    def lost(self) -> tuple[np.ndarray, float]:
        """What is lost in all rounds that count, by the first price's cell, and the mean of U*."""
        law = HiddenLaw.of(self.task)
        counted = np.zeros(law.T, bool)
        counted[WINDOWS[self.window]] = True
        rng = np.random.default_rng(self.seed)
        drawn = law.pairs(rng, self.pairs, APART[self.window])
        prices, tell = law.prices(CELLS), Purchases(law.sigma)
        demands = Demands(law.public, *drawn, prices)
        two = [demands.some(slice(2 * j, 2 * j + 2)) for j in range(self.pairs)]
        best = float(demands.best.mean())
        if not counted[0]:  # what the first rounds lose is free
            rounds = counted[1:].tolist()
            later = [lost_later(one.lost, tell(one), rounds)[:, HALF].min() / 2 for one in two]
            return np.full(CELLS, np.mean(later)), best
        mean = np.maximum(demands.lost.mean(axis=0), 0.0)
        lost = np.minimum(mean[:-1], mean[1:])
        rounds = counted[2:].tolist()
        later = np.array([lost_later(one.lost, tell(one), rounds).T for one in two])
        for cell in np.flatnonzero(lost <= _PATIENCE * lost.min()):
            mass = purchases_of_a_cell(demands, int(cell), law.sigma, rng)
            lost[cell] += lost_after_two(mass, demands.lost, later) / len(demands.best)
        return lost, best


def bound(lost: np.ndarray, best: np.ndarray, rounds: int) -> Bound:
    """What is lost at the first price that loses least, from B lists.

    The lower end is the least, over first prices, of the ends of their own intervals: at the price
    that is really best it is too high with a probability of 2.5 %.

    Args:
        lost: (B, C) of each list, at each first price.
        best: (B,) the mean U* of each.
        rounds: how many count.
    """
    ratio = lost.mean(axis=0) / best.mean()
    error = (lost - ratio * best[:, None]).std(axis=0, ddof=1) / np.sqrt(len(best)) / best.mean()
    least = float(ratio.min())
    low = float((ratio - stats.t.ppf(0.975, len(best) - 1) * error).min())
    return Bound(least, low, 1 - least / rounds, 1 - low / rounds)


def _read(path: Path) -> dict[str, np.ndarray]:
    return holding(path, read_arrays(path), *_KEPT)


def ceiling(
    lists: int = 12,
    pairs: int = 120,
    seed: int = 0,
    out: Path = Path("results/ceiling"),
    workers: int | None = None,
) -> None:
    """Bound what any rule told the law can earn on `hidden`, and write ceiling.csv.

    What is done is kept; a run that was cut short goes on where it stopped.

    Args:
        lists: of markets, by which the interval is found.
        pairs: of markets in a list.
        seed: of the first list; the others' follow.
        out: folder of the results.
        workers: lists at the same time; as many as there are cores by default.
    """
    _checks.integer("--lists", lists, at_least=2)
    _checks.integer("--pairs", pairs, at_least=1)
    _checks.integer("--seed", seed, at_least=0)
    run, task = Runner(out, workers), Task("hidden")
    rows, T = [], HiddenLaw.of(task).T
    for window, which in WINDOWS.items():
        units = [PairedList(task, window, seed + i, pairs) for i in range(lists)]
        done = [_read(unit.file(run.out)) for unit in run(f"rounds {window}", units)]
        if len(done) < len(units):
            continue
        lost, best, seconds = (np.array([kept[k] for kept in done]) for k in _KEPT)
        found = bound(lost, best, len(range(T)[which]))
        numbers = {name: f"{value:.6f}" for name, value in found._asdict().items()}
        of_run = {"lists": lists, "pairs": pairs, "first_seed": seed, "apart": APART[window]}
        seconds = round(float(seconds.sum()), 1)
        rows.append({"window": window, **numbers, **of_run, "seconds": seconds})
        run.console.print(f"rounds {window}: at most {found.share:.4f} of U* (to {found.high:.4f})")
    if rows:
        write_csv(run.out / "ceiling.csv", list(rows[0]), rows)
    run.report()
