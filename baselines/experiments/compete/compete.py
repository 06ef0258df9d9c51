"""`python -m baselines compete`: sellers learn beside each other, and are measured."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

from aigc_market import _checks
from aigc_market.scenarios import COMPETITION_SCENARIOS
from baselines.arena.registry import resolve
from baselines.arena.task import Task
from baselines.experiments.compete import contest_tables
from baselines.experiments.compete.meeting import Meeting, Participant
from baselines.methods.sellers.recipe import SellerRecipe
from baselines.runs.runner import Engine, Runner

SCENARIOS = ("duopoly=3", "calvano", "calvano:2.4", "road=3")
METHODS = (
    *("q_learning", "q_learning_myopic", "dqn", "ppo", "ppo_myopic"),
    *("ppo_shared=3", "tppo=3", "ppo_vmus=3"),
    *("best_reply", "tit_for_tat", "nash", "cartel"),
)
STRANGERS = 3
"""Seeds of each method that meet other methods; all meet their like of another seed."""


Contest = tuple[Task, SellerRecipe, int]
"""What sellers play, how they are trained for it, and of how many seeds there are trainings."""


def contest(word: str, seeds: int, rounds: int) -> Contest:
    """Read `NAME[:HIGHEST_PRICE][=SEEDS]`; raise ValueError where it is none."""
    name, _, count = word.partition("=")
    name, _, highest = name.partition(":")
    known = [one for one in COMPETITION_SCENARIOS if one != "hidden"]  # its Nash is not certain
    _checks.choice("--scenario", name, known)
    try:
        arguments = {"max_price": float(highest)} if highest else {}
        seeds = min(seeds, int(count or seeds))
    except ValueError:
        wanted = "--scenario must be NAME[:HIGHEST_PRICE][=SEEDS]"
        raise ValueError(f"{wanted}, got {word!r}") from None
    _checks.integer("--scenario SEEDS", seeds, at_least=1)
    recipe = SellerRecipe(rounds=rounds, prices="all" if highest else "grid")
    return Task(name, arguments, "competition"), recipe, seeds


def contender(words: str, seeds: int) -> tuple[Participant, int]:
    """Read `NAME[=SEEDS] [PARAMETER=NUMBER …]`, who plays and of how many seeds.

    Raises:
        ValueError: it is none.
    """
    first, *rest = words.split() or [""]
    name, _, count = first.partition("=")
    try:
        entry = resolve(name)
    except ValueError as error:
        raise ValueError(f"--methods: {error}") from None
    try:
        named = (word.partition("=") for word in rest)
        parameters = tuple((name, float(value)) for name, _, value in named)
        seeds = min(seeds, int(count or seeds))
    except ValueError:
        wanted = "--methods must be NAME[=SEEDS] [PARAMETER=NUMBER …]"
        raise ValueError(f"{wanted}, got {words!r}") from None
    return Participant(entry, parameters), _checks.integer("--methods SEEDS", seeds, at_least=1)


def compete(
    scenario: tuple[str, ...] = SCENARIOS,
    methods: tuple[str, ...] = METHODS,
    method: tuple[str, ...] = (),
    seeds: int = 12,
    rounds: int = SellerRecipe.rounds,
    quick: bool = False,
    out: Path = Path("results/compete"),
    workers: int | None = None,
    engine: Engine = "local",
) -> None:
    """Let sellers learn beside each other, and say who colludes and who ends at Nash.

    Each learned method is trained at all seats of a market at the same time. Then, without
    learning, those that have learned together are measured against the exact Nash equilibrium and
    the cartel, and all meet strangers (cross-play). Writes sellers.csv, crossplay.csv, curves.csv,
    deviations.csv, compete.md and figures. What is trained or played is kept; a run that was cut
    short goes on where it stopped.

    Args:
        scenario: duopoly, calvano, road, or several of them. Learners choose from the range of
            Calvano's grid; where a highest price is given, as in calvano:2.4, from all prices from
            the cost to it. NAME=SEEDS is of fewer seeds.
        methods: q_learning, q_learning_myopic, dqn, ppo, ppo_myopic, ppo_shared, ppo_vmus, tppo
            (providers that learn beside each other); best_reply, tit_for_tat, nash, cartel (told
            the market); or methods for one provider, such as greedy, kalman or "constant
            price=1.6". NAME=SEEDS is of fewer seeds, too.
        method: methods of your own beside these, `module:factory`: a callable (task, num_envs,
            seed) that gives a Method; they meet each other too.
        seeds: trainings of each learned method in each scenario.
        rounds: that each learner plays, the same for all.
        quick: 2,000 rounds and one seed, to see that all works; they teach nobody anything.
        out: folder of the results.
        workers: runs at the same time; as many as there are cores by default.
        engine: local processes, or a Ray cluster (needs the extra `ray`).
    """
    _checks.integer("--seeds", seeds, at_least=1)
    _checks.integer("--rounds", rounds, at_least=1)
    for name in method:
        if ":" not in name:
            raise ValueError(f"--method must be module:factory, got {name!r}")
    if quick:
        seeds, rounds = 1, min(rounds, 2_000)
    contenders = [contender(words, seeds) for words in (*methods, *method)]
    contests = [contest(word, seeds, rounds) for word in scenario]
    if not contests or not contenders:
        raise ValueError(
            f"--scenario and --methods must name one at least, got {scenario!r} and {methods!r}"
        )
    for (task, *_), (one, _) in itertools.product(contests, contenders):
        try:
            if one.entry.sellers is None:
                one.player(task, 0, out)(1)
        except (TypeError, ValueError) as error:
            raise ValueError(f"--methods {one.entry.name} on {task.name}: {error}") from None
    run = Runner(out, workers, engine)
    plan = meetings(contests, contenders)
    trainings = [t for met in plan for side in met.sides if (t := side.training) is not None]
    trained = {None, *run("trainings", sorted(trainings, key=lambda one: one.seed))}
    ready = run("meetings", [m for m in plan if {s.training for s in m.sides} <= trained])
    recipe = SellerRecipe(rounds=rounds)
    drawn = contest_tables.write(run.out, ready, {"seeds": seeds, **dataclasses.asdict(recipe)})
    run.show(drawn, "compete.md")
    run.report()


def meetings(
    contests: Sequence[Contest], contenders: Sequence[tuple[Participant, int]]
) -> list[Meeting]:
    """Each with itself; each at the first seat with every other, and with its own of another seed.

    Sellers whose VMUs learn too meet themselves alone: theirs is another market.
    """
    plan: dict[Meeting, None] = {}  # in order, each once: some have no seeds
    strangers = [each for each in contenders if each[0].entry.name != "ppo_vmus"]
    for task, recipe, most in contests:

        def seeded(one: tuple[Participant, int], seed: int) -> Participant:
            return one[0].of_seed(seed % min(one[1], most), task, recipe)  # noqa: B023

        for each in contenders:
            for seed in range(min(each[1], most)):
                own = seeded(each, seed)
                plan[Meeting(task, own, own)] = None
                if each in strangers:
                    plan[Meeting(task, own, seeded(each, seed + 1))] = None
        for pair, seed in itertools.product(
            itertools.permutations(strangers, 2), range(min(STRANGERS, most))
        ):
            plan[Meeting(task, *(seeded(one, seed) for one in pair))] = None
    return list(plan)
