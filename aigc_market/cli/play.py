"""`aigc-market play`: be a provider in the terminal, alone or one of several."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np
from tyro.conf import arg

from aigc_market import _checks, replay
from aigc_market.cli.arguments import MarketFlags, begin, check_folder, environment
from aigc_market.competition import rivals
from aigc_market.rendering.numbers import count, exact, in_a_row, paid
from aigc_market.rendering.shown import shown
from aigc_market.rendering.text import facts, sales, share, summary


class PlayFlags(TypedDict, total=False):
    """What may be left out beside the market."""

    rivals: tuple[str, ...]
    """Several providers: nash, cartel, best_reply, tit_for_tat or a price: one for all others, or
    one for each, in the order of their numbers. Unset: nash."""
    policy: str
    """Several providers: the same for asp_0. Unset: you are asked for its prices."""
    followers: str
    """How VMUs buy: best_response, noisy or random; beside one provider also quantal or
    myopic_discount. Unset: as the scenario says."""
    record: Path
    """A file (.jsonl) for the rounds, which `aigc-market replay` shows."""


def play(
    market: Annotated[MarketFlags, arg(name="")],
    flags: Annotated[PlayFlags, arg(name="")],
    rounds: int = 10,
    show_equilibrium: bool = False,
) -> None:
    """Be the provider (the ASP): post a price each round; scripted VMUs buy at it. `q` ends it.

    Regret is what a price costs against rational VMUs, whatever these ones buy; your share is what
    is left of the equilibrium's utility, 1 − Σ regret / Σ U_p*. The equilibrium itself is told at
    the end.

    Of several providers you are asp_0, or watch a scripted one. Nobody sees another's price of the
    same round; VMUs spread their requests over the providers. Δ is the profit gain: 0 at the Nash
    equilibrium, 1 as a cartel; these are told at the end.

    Args:
        market: The market.
        flags: What may be left out beside it.
        rounds: How many.
        show_equilibrium: Tell the equilibrium before each price, which spoils the game.
    """
    _checks.integer("rounds", rounds, at_least=1)
    path = flags.get("record")
    check_folder("record", path)
    policy = _policy("policy", flags["policy"]) if "policy" in flags else None
    arguments: dict[str, Any] = {"max_cycles": rounds}
    if "rivals" in flags:
        others = [_policy("rivals", word) for word in flags["rivals"]]
        arguments["rivals"] = others[0] if len(others) == 1 else others
    if "followers" in flags:
        arguments["followers"] = flags["followers"]
    env = environment({**market, **flags}, **arguments)
    begin(env, market, rounds=1)
    print(_introduction(env.market, asked=policy is None))
    played: list[Any] = []
    try:
        while len(played) < rounds:
            if policy is None:
                hint = _hint(env) if show_equilibrium else ""
                price = _ask(f"round {len(played) + 1:,}/{rounds:,}{hint}", env.market)
            else:
                price = _posted(policy, env, played)
            if price is None:
                break
            env.step(np.array([price], np.float32))
            replay.collect(env, played)
            print(_told(played))
    finally:  # after Ctrl-C too
        if path is not None and played:
            replay.write(path, played)
    print(summary(played) if played else "No round was played.")
    if path is not None and played:
        print(f"Kept in {path}: aigc-market replay {path}")


def _ask(question: str, market: Any) -> float | None:
    """A price, asked for until it is one; None at `q` or the end of the input."""
    low, high = (float(np.ravel(bound)[0]) for bound in (market.cost, market.max_price))
    limits = f"from {exact(low)} to {exact(high)}"
    while True:
        try:
            word = input(f"{question}, price {limits}, q ends > ").strip()
        except EOFError:
            word = "q"
        if not sys.stdin.isatty():  # what comes through a pipe is not to be seen otherwise
            print(word)
        if word.lower() in ("q", "quit"):
            return None
        try:
            if low <= (price := float(word)) <= high:
                return price
        except ValueError:
            pass
        print(f"  a price must be a number {limits}, got {word!r}")


def _policy(name: str, word: str) -> rivals.RivalPolicy:
    """A scripted provider: by its name, or by its price, which never changes."""
    if word in rivals.SCRIPTED:
        return rivals.SCRIPTED[word]
    try:
        price = float(word)
    except ValueError:
        names = list(rivals.SCRIPTED)
        raise ValueError(
            f"{name} must be one of {names} or a price, got {word!r}{_checks.meant(word, names)}"
        ) from None
    return lambda *_: price


def _posted(policy: rivals.RivalPolicy, env: Any, played: Sequence[Any]) -> float:
    """The price of a scripted asp_0."""
    last = np.array(played[-1].prices) if played else None
    rng = np.random.default_rng()  # which scripted providers do not use
    try:
        return float(rivals.price(policy, env.market, 0, last, env.oracle, rng, ()))
    except ValueError as error:  # it knows the other providers alone
        raise ValueError(str(error).replace("rivals", "policy", 1)) from None


def _hint(env: Any) -> str:
    """The equilibrium."""
    if hasattr(env, "equilibrium"):
        price, utility = env.equilibrium.price, env.equilibrium.asp_utility
    else:
        price, utility = env.oracle.nash_price[0], env.oracle.utility[0]
    if np.isnan(price):
        return " (no Nash equilibrium was found)"
    return f" (equilibrium {exact(price, 5)} earns {paid(utility)})"


def _introduction(market: Any, asked: bool) -> str:
    """Who the player is, what he sees, and what he may do."""
    who = "You are asp_0" if hasattr(market, "M") else "You are the provider (the ASP)"
    lines = [
        f"{who}." if asked else "You watch.",
        "Each round providers post the price of a step; VMUs buy steps: they improve images.",
        f"Here: {', '.join(facts(market, count(market.K, 'VMU')))}.",
    ]
    if getattr(market, "active", None) is not None:
        lines.append("VMUs come and go.")
    if asked:
        lines.append("You see what is sold and earned, but not what an image is worth to them (δ).")
    return "\n".join(lines)


def _told(played: Sequence[Any]) -> str:
    """The last round."""
    last, judged = shown(played[-1]), ""
    if last.judge == "regret":
        judged = f"; against rational VMUs: regret {paid(last.judged[0] or 0.0)}, "
        judged += f"share so far {share(played)}"
    elif last.mean_judged is not None:
        judged = f"; Δ of the mean {exact(last.mean_judged, 3)}"
    prices, earned = in_a_row(last.prices or ()), in_a_row(last.utility or (), paid)
    sold = f"  round {last.number:,}, price {prices}: steps sold {sales(played[-1])}"
    return f"{sold}\n  earned {earned}{judged}"
