"""Sellers of contracts and VMUs that choose among them learn, each side alone and both together.

`run` trains every case, measures both sides by the oracle, and writes choosers.csv.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor

from aigc_market import followers as scripted
from aigc_market import menus
from aigc_market.followers import FollowerPolicy
from aigc_market.market import Market
from baselines.arena.menu_rollout import UNITS, Offer, play_menus
from baselines.arena.seeds import demonstration_seed, training_seed
from baselines.arena.task import Task
from baselines.followers.both_learning import BETAS, LOG_STD, BothRecipe
from baselines.followers.gradients import PPO
from baselines.followers.menu_followers import FEES, ChoiceNetwork, Choosers, MenuGames
from baselines.followers.policy import sees
from baselines.methods.sb3.menu_trainer import offered
from baselines.methods.sb3.recipes import PpoRecipe
from baselines.report import mean, number, table
from baselines.runs.digest import code_digest, described
from baselines.runs.files import holding, read_frame, write_csv
from baselines.runs.runner import Runner

Learns = Literal["leader", "followers", "both"]
"""Who learns: the others are rational VMUs, or the best menu of each market."""
GAMES = 256
"""In which markets that are drawn are measured."""
MENUS = 8192
"""Drawn, at which followers are measured beside those that are offered."""
LEAST_LOG_STD = -4.0
"""Logarithm of the deviation of the leader's numbers in [−1, 1] at the end, to which it falls
linearly: the best menu stands at an edge, so what is learnt on both sides of it blurs it."""
LOW = -0.85
"""Of fees in [−1, 1] where markets are drawn, at the start: nobody buys at the middle ones."""
BOTH = BothRecipe(follower_learning_rate=0.01, head_start=50)
STANDING = PpoRecipe(
    rounds=172_800,
    history=1,
    lanes=128,
    n_steps=3,
    batch_size=1024,
    n_epochs=3,
    learning_rate=3e-3,
    least_rate=0.05,
    log_std_init=-1.0,
)
DRAWN = replace(STANDING, rounds=256_000, history=5, n_steps=5, log_std_init=-2.0)


@dataclass(frozen=True)
class Choosing:
    """Sides of a market of contracts that learn, and are measured; a unit of work."""

    market: str
    task: Task
    learns: Learns
    discount: float = 0.0
    """By what share each contract of the best menu is offered for less, where `followers` learn."""
    seed: int = 0
    rounds: int | None = None
    """In place of the recipe's."""

    def __str__(self) -> str:
        less = f" at {self.discount:.0%} less" if self.discount else ""
        return f"{self.learns} of contracts on {self.task.name}{less}, seed {self.seed}"

    @property
    def recipe(self) -> PpoRecipe:
        """Of the leader; its `rounds` and `lanes` are the followers' too."""
        found = STANDING if self.task.stands_still else DRAWN
        return found if self.rounds is None else replace(found, rounds=self.rounds)

    def file(self, out: Path) -> Path:
        """Where its numbers stand."""
        depends = described([self, self.recipe, BOTH]), code_digest(__name__)
        parts = self.task.name, self.learns, f"{self.discount:g}", f"seed{self.seed}"
        return out / "choosing" / f"{'-'.join(parts)}-{self.task.digest(*depends)}.csv"

    def execute(self, out: Path) -> None:
        """Train, measure, and keep a row."""
        began = time.process_time()
        policy, network = train(self.task, self.learns, self.discount, self.recipe, BOTH, self.seed)
        spent = time.process_time() - began
        settings, games = self.task.settings(), 1 if self.task.stands_still else GAMES
        seed = demonstration_seed(self.seed)
        if policy is None:
            offer = best_offer(self.task, self.discount, games, seed)
        else:
            offer = offered(policy)
        taking: Any = scripted.rational_choice if network is None else Choosers(network, settings)
        row = {"market": self.market, "contracts": settings.contracts, "learns": self.learns}
        row |= {"discount": self.discount, "seed": self.seed}
        row |= measure(offer, taking, self.task, games, seed, self.recipe.history)
        row |= {"rounds": self.recipe.rounds, "cpu_seconds": round(spent, 2)}
        write_csv(self.file(out), list(row), [row])


def train(
    task: Task, learns: Learns, discount: float, recipe: PpoRecipe, both: BothRecipe, seed: int
) -> tuple[ActorCriticPolicy | None, ChoiceNetwork | None]:
    """Train the leader's policy, the followers' network, or each against the other as it is.

    Args:
        task: of the game of menus.
        learns: who learns.
        discount: see `Choosing`.
        recipe: of the leader.
        both: of the followers, and for how many updates the leader waits for them.
        seed: of every random choice.

    Returns:
        What has learnt, and None for who has not.
    """
    torch.set_num_threads(1)  # the networks are small
    torch.manual_seed(training_seed(seed))
    games = MenuGames(task.keywords(), recipe.lanes, recipe.history)
    network = ChoiceNetwork(sees(games.env.settings), games.contracts)
    of_followers = torch.optim.Adam(network.parameters(), betas=BETAS, fused=True)
    policy, leader = None, _fixed(games, discount)
    if learns != "followers":
        policy = leader = _policy(task, recipe)
    learning: Any = None if learns == "leader" else network
    sides = PPO(games, leader, learning, of_followers, both.explore, recipe)
    games.begin(training_seed(seed))
    iterations = -(-recipe.rounds // (recipe.n_steps * recipe.lanes))
    for iteration in range(iterations):
        passed = iteration / iterations
        of_followers.param_groups[0]["lr"] = both.follower_rate * max(1.0 - passed, 0.05)
        if policy is not None:
            policy.optimizer.param_groups[0]["lr"] = recipe.rate(1.0 - passed)
            start = recipe.log_std_init
            policy.log_std.data.fill_(start + passed * (LEAST_LOG_STD - start))
        waits = both.head_start if learns == "both" else 0
        leads = policy is not None and iteration >= waits
        sides.iterate(leads, math.exp(LOG_STD[0] + passed * (LOG_STD[1] - LOG_STD[0])))
    return policy, learning


def _policy(task: Task, recipe: PpoRecipe) -> ActorCriticPolicy:
    env: Any = task.environment(1, **UNITS, history=recipe.history)
    spaces = env.single_observation_space, env.single_action_space
    policy: Any = ActorCriticPolicy(
        *spaces,
        recipe.rate,
        net_arch=[recipe.width, recipe.width],
        log_std_init=recipe.log_std_init,
        optimizer_kwargs={"fused": True},
    )
    policy.log_std.requires_grad_(False)
    if not task.stands_still:
        policy.action_net.bias.data[1::2] = LOW
    return policy


def _fixed(games: MenuGames, discount: float) -> Any:
    """A leader that offers the best menu of each market."""

    def leader(seen: Tensor) -> tuple[Tensor, None, Tensor]:
        return games.best(discount), None, torch.zeros(len(seen))

    return leader


def best_offer(task: Task, discount: float, num_envs: int, seed: int) -> Offer:
    """The best menus of the markets that are drawn by a seed, at so much less."""
    env: Any = task.environment(num_envs, **UNITS)
    env.reset(seed=seed)
    most = env.settings.market.max_steps, env.settings.fee_bound / (1.0 - discount)
    menu = 2.0 * np.reshape(env.best_menu.menu / most, (-1, 2 * env.settings.contracts)) - 1.0
    menu = np.broadcast_to(menu, (num_envs, menu.shape[-1]))
    return lambda seen: menu


def measure(
    offer: Offer, taking: FollowerPolicy, task: Task, num_envs: int, seed: int, history: int
) -> dict[str, float]:
    """Play an episode in each of N games, and compare both sides with what is best by the rules.

    Args:
        offer: the leader.
        taking: the followers.
        task: of the game of menus.
        num_envs: N.
        seed: of the markets, and of the menus that are drawn.
        history: rounds that the leader sees.

    Returns:
        share: the leader's utility against rational VMUs, over U*. earned: against these. forgone:
        what a VMU loses against its best choice, over δ·(max SSIM − SSIM(0)), in the mean.
        best_choices: in how many choices it loses nothing. The latter two at menus `_drawn`, too.
    """
    lost: list[np.ndarray] = []

    def choose(market: Market, menu: Any, rng: np.random.Generator) -> Any:
        taken = taking(market, menu, rng)
        lost.append(forgone(market, menu, taken))
        if len(lost) == 1:  # in the markets of the first round
            drawn = _drawn(task, num_envs, rng)
            of_drawn.append(forgone(market, drawn, taking(market, drawn, rng)))
        return taken

    of_drawn: list[np.ndarray] = []
    played = play_menus(offer, task, num_envs, seed, history, choose)
    found = {"share": played.share, "earned": played.earned}
    for name, of in (("", np.array(lost)), ("_drawn", np.array(of_drawn))):
        found[f"forgone{name}"] = float(of.mean())
        found[f"best_choices{name}"] = float((of <= menus.SINGLE_TIE).mean())
    return found


def _drawn(task: Task, num_envs: int, rng: np.random.Generator) -> np.ndarray:
    """(D, N, L, 2) menus as followers learn at, some of which hardly anybody can afford."""
    settings = task.settings()
    shares = rng.random((-(-MENUS // num_envs), num_envs, settings.contracts, 2))
    shares[..., 1] **= FEES
    return shares * (settings.market.max_steps, settings.fee_bound)


def forgone(market: Market, menu: Any, taken: np.ndarray) -> np.ndarray:
    """(K, …) what VMUs lose by taking these contracts, over δ·(max SSIM − SSIM(0))."""
    settled = menus.settle_rational(market, menu)
    worths = np.stack(settled.terms.worths(settled.menu))
    own = np.take_along_axis(worths, np.moveaxis(taken, -1, 0)[None], axis=0)[0]
    return (worths.max(axis=0) - own) / settled.terms.most


_TWO = {"contracts": 2}
MARKETS = {
    "δ = 200, 200": Task("paper", _TWO, "menus"),
    "δ = 150, 250": Task("paper", {**_TWO, "satisfaction": ["150", "250"]}, "menus"),
    "hidden": Task("hidden", _TWO, "menus"),
    "hidden, L = 3": Task("hidden", {"contracts": 3}, "menus"),
}
"""Of two contracts where nothing else is said."""
SIDES: tuple[tuple[Learns, float], ...] = (
    ("leader", 0.0),
    ("followers", 0.0),
    ("followers", 0.02),
    ("both", 0.0),
)
"""Who learns, and at which discount of the best menu."""


def run(
    out: Path,
    runner: Runner,
    seeds: int = 5,
    markets: Sequence[str] = tuple(MARKETS),
    rounds: int | None = None,
) -> bool:
    """Train and measure every case, and write choosers.csv, a row for each case and seed.

    Args:
        out: folder of the results; those that are there are not made again.
        runner: does the work.
        seeds: trainings of each case.
        markets: names among `MARKETS`.
        rounds: of each training, in place of the recipe's.

    Returns:
        Whether there are rows, and so a table.
    """
    cases = itertools.product(range(seeds), markets, SIDES)
    units = [
        Choosing(market, MARKETS[market], learns, discount, seed, rounds)
        for seed, market, (learns, discount) in cases
    ]
    done = runner("choosers", units)
    rows = [_row(unit.file(out)) for unit in done]
    if rows:
        write_csv(out / "choosers.csv", list(rows[0]), rows)
    return bool(rows)


def _row(path: Path) -> dict[str, Any]:
    found = read_frame(path).to_dict("records")
    return holding(path, found[0] if found else None, "market", "learns", "seed")


_WORDS = (
    "Menus have two contracts where nothing else is said. VMUs share a network and see their own "
    "type and the menu. *Learns*: the others are rational "
    "VMUs, or the best menu of each market, or that menu with lower fees. *Share*: of the best "
    "menu's profit, against rational VMUs. *Earned*: against those who are there. *Forgone*: what "
    "a VMU loses against its best choice, over δ·(max SSIM − SSIM(0)). *Best*: how often it loses "
    "nothing (within 10⁻⁶ of that). *Drawn*: the same at menus drawn at random. Brackets: 95 % "
    "over seeds, by Student's t."
)


def choosers_report(path: Path) -> list[str]:
    """Parts of a report, from choosers.csv: every case, and what is earned, paired by seed."""
    frame, found, rows = read_frame(path), {}, []
    groups = frame.groupby(["market", "learns", "discount"], sort=False)
    for (market, learns, discount), of_one in groups:
        who = f"{learns}, best menu" if learns == "followers" else learns
        who += f" at {discount:.0%} less" if discount else ""
        found.setdefault(market, {})[who] = of_one.set_index("seed")["earned"]
        shares = [mean(of_one[name], 3) for name in ("share", "earned")]
        means = of_one.mean(numeric_only=True)
        of_vmus = [
            number(100.0 * means[f"{name}{at}"], digits)
            for at in ("", "_drawn")
            for name, digits in (("forgone", 3), ("best_choices", 1))
        ]
        cost = str(len(of_one)), number(means["cpu_seconds"], 0)
        rows.append((market, who, *shares, *of_vmus, *cost))
    header = ("market", "learns", "share", "earned", "forgone, %", "best, %")
    header += ("drawn: forgone, %", "drawn: best, %", "seeds", "CPU seconds")
    compared = [
        (market, one, other, mean(sides[one] - sides[other], 3))
        for market, sides in found.items()
        for one, other in itertools.combinations(reversed(sides), 2)
    ]
    paired = table(("market", "learns", "against", "earned, difference"), compared, words=3)
    return [_WORDS, table(header, rows, words=2), "Paired by seed:", paired]
