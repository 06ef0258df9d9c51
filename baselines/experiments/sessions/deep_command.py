"""`python -m baselines sessions`: deep sellers learn side by side, and are measured."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from aigc_market import _checks
from baselines.arena.overrides import changed
from baselines.experiments.compete.compete import contest
from baselines.experiments.sessions import deep_tables
from baselines.experiments.sessions.session_units import Learning, Measuring
from baselines.experiments.sessions.studied import LEARNERS
from baselines.methods.sellers.deep_recipe import SOBER, DeepRecipe
from baselines.runs.runner import Runner


def learner(words: str, sessions: int) -> tuple[str, DeepRecipe, int]:
    """Read `NAME[=SESSIONS] [FIELD=VALUE …]`: what it is called, its recipe, and sessions.

    Raises:
        ValueError: it is none.
    """
    first, *rest = words.split() or [""]
    name, _, count = first.partition("=")
    _checks.choice("--learners", name, LEARNERS)
    try:
        sessions = min(sessions, int(count or sessions))
    except ValueError:
        wanted = "--learners must be NAME[=SESSIONS] [FIELD=VALUE …]"
        raise ValueError(f"{wanted}, got {words!r}") from None
    _checks.integer("--learners SESSIONS", sessions, at_least=1)
    try:
        recipe = changed(LEARNERS[name], rest)
    except (TypeError, ValueError) as error:
        raise ValueError(f"--learners {words!r}: {error}") from None
    return " ".join([name, *rest]), recipe, sessions


def sessions(
    scenario: tuple[str, ...] = ("calvano",),
    learners: tuple[str, ...] = tuple(name for name in LEARNERS if name != "sac_published"),
    frozen: tuple[str, ...] = (),
    sessions: int = 20,
    seeds: int = 1,
    periods: int = SOBER.periods,
    quick: bool = False,
    out: Path = Path("results/sessions"),
    workers: int | None = None,
) -> None:
    """Let deep sellers learn on continuous prices, and measure them by exact best replies.

    In a session two sellers learn beside each other, each with networks of its own; many sessions
    are one batch of networks. Then, without learning, they are measured against the exact Nash
    equilibrium and the cartel, against best replies for ever, and after forced deviations; and
    each meets the rival of another session. Writes sessions.csv, responses.csv, curves.csv,
    sessions.md and figures. What has been learned or measured is kept; a run that was cut short
    goes on where it stopped.

    Args:
        scenario: calvano, duopoly, road, or several of them. Sellers choose from the range of
            Calvano's grid; where a highest price is given, as in calvano:2.4, from all prices from
            the cost to it. "NAME LEARNER …" is of these learners alone.
        learners: names of recipes: sac_average (average reward), sac (discount .95), sac_myopic
            (discount 0), sac_average_blind (no memory), td3, ppo, diffusion_td3, sac_average_slow
            and sac_slow (a quarter of the updates), sac_published_rates, sac_published.
            NAME=SESSIONS is of fewer sessions; "NAME FIELD=VALUE …" changes a recipe.
        frozen: those of the learners who, when their sessions of the first scenario are over,
            learn on, each beside the rival of another session, which learns no more.
        sessions: side by side.
        seeds: batches of so many sessions.
        periods: of each session.
        quick: two sessions of 300 periods, to see that all works; they teach nobody anything.
        out: folder of the results.
        workers: batches at the same time; as many as there are cores by default.
    """
    for name, value in (("--sessions", sessions), ("--seeds", seeds), ("--periods", periods)):
        _checks.integer(name, value, at_least=1)
    if quick:
        sessions, seeds, periods = min(sessions, 2), 1, min(periods, 300)
    known = [learner(words, sessions) for words in learners]
    names = [name for name, *_ in known]
    contests = []
    for words in scenario:
        word, *some = words.split() or [""]
        contests.append((*contest(word, seeds, periods), some or names))
        for name in some:
            _checks.choice(f"--scenario {word}", name, names)
    for name in frozen:
        _checks.choice("--frozen", name, names)
    if not contests or not known:
        raise ValueError(
            f"--scenario and --learners must name one at least, got {scenario!r} and {learners!r}"
        )
    together, beside = [], []
    for task, of_prices, most, learning in contests:
        for name, recipe, count in known:
            if name not in learning:
                continue
            # The random periods of a short run are no more of it than of the usual one.
            own = dataclasses.replace(
                recipe,
                prices=of_prices.prices,
                periods=periods,
                warm_up=min(recipe.warm_up, periods // 4),
            )
            for batch in range(most):
                before = Learning(name, task, own, count, batch * count)
                together.append(before)
                if name in frozen and task == contests[0][0]:
                    on = dataclasses.replace(own, warm_up=0)  # they know their market
                    seed = (most + batch) * count
                    beside.append(Learning(name, task, on, count, seed, before))
    run = Runner(out, workers)
    learned = run("batches of sessions", together)
    learned += run("batches beside frozen rivals", [one for one in beside if one.before in learned])
    plan = [Measuring(one) for one in learned]
    plan += [Measuring(one, True) for one in learned if one.sessions > 1 and one.before is None]
    if done := run("measures", plan):
        made_by = {"sessions": sessions, "periods": periods, "seeds": seeds}
        made_by |= {f"recipe of {name}": recipe for name, recipe, _ in known}
        drawn = deep_tables.write(run.out, [one.rows(run.out) for one in done], made_by)
        run.show(drawn, "sessions.md")
    run.report()
