"""`aigc-market play`: be the leader in the terminal."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import tyro

from aigc_market import _checks, replay
from aigc_market.cli.arguments import File, MarketFlags, Whole, Word
from aigc_market.envs.single import PricingEnv

_SHOWN_VMUS = 8


@dataclass(frozen=True)
class Play:
    """Be the ASP: post a price each round; scripted VMUs buy at it. `q` ends the game.

    Regret is what a price costs against rational VMUs; the share is what you have earned of what
    the equilibrium's prices earn. The equilibrium itself is told at the end.
    """

    market: Annotated[MarketFlags, tyro.conf.arg(name="")] = MarketFlags()  # noqa: RUF009 (frozen)
    scenario: Word = None
    """paper, hidden, drift, shift, crowd, capacity or live; paper, left out."""
    vmus: Word = None
    """best_response, noisy, quantal, myopic_discount or random; the scenario's own, left out."""
    rounds: int = 10
    """How many."""
    seed: Whole = None
    """Of every random choice; a new game each time without it."""
    record: File = None
    """A file (.jsonl) for the rounds, which `aigc-market replay` shows."""
    show_equilibrium: bool = False
    """Tell the equilibrium before each price, which spoils the game."""

    def run(self) -> None:
        """Play until the last round, `q` or the end of the input."""
        given = self.market.given()
        named = {name: getattr(self, name) for name in ("scenario", "vmus")}
        given.update({name: value for name, value in named.items() if value is not None})
        rounds = _checks.integer("rounds", self.rounds, at_least=1)
        if self.seed is not None:
            _checks.integer("seed", self.seed, at_least=0)
        if self.record is not None and not self.record.parent.is_dir():
            raise ValueError(f"record must be in a folder that is there, got {str(self.record)!r}")
        env = PricingEnv(max_cycles=rounds, **given)
        env.reset(seed=self.seed)
        played: list[dict[str, Any]] = []
        records = []
        try:
            while len(played) < rounds:
                price = self._ask(env, len(played) + 1)
                if price is None:
                    break
                *_, info = env.step(np.array([price], np.float32))
                played.append(info)
                records.append(env.round_record())
                _tell(played)
        finally:  # after Ctrl-C too
            if self.record is not None and records:
                replay.write(self.record, records)
        _sum_up(played, env)
        if self.record is not None and records:
            print(f"Kept in {self.record}: aigc-market replay {self.record}")

    def _ask(self, env: PricingEnv, number: int) -> float | None:
        """The next price, asked for until it is one; None to end the game."""
        market, hint = env.market, ""
        if self.show_equilibrium:
            best = env.equilibrium
            hint = f" (equilibrium {best.price:.4g} earns {best.asp_utility:.2f})"
        limits = f"from {market.cost:g} to {market.max_price:g}"
        while True:
            try:
                word = input(f"round {number}/{self.rounds}{hint}, price {limits}, q ends > ")
            except EOFError:
                print()
                return None
            word = word.strip()
            if not sys.stdin.isatty():  # what comes through a pipe is not to be seen otherwise
                print(word)
            if word.lower() in ("q", "quit"):
                return None
            try:
                price = float(word)
            except ValueError:
                print(f"  a price must be a number {limits}, got {word!r}")
                continue
            if market.cost <= price <= market.max_price:
                return price
            print(f"  a price must be {limits}, got {word}")


def _tell(played: list[dict[str, Any]]) -> None:
    last = played[-1]
    demand = last["demand"]
    bought = " ".join(f"{steps:.1f}" for steps in demand[:_SHOWN_VMUS])
    more = len(demand) - _SHOWN_VMUS
    print(
        f"  price {last['price']:.4g}   demand {bought}{f' and {more} more' if more > 0 else ''}"
        f" = {demand.sum():.1f} steps   utility {last['utility']:.2f}"
        f"   regret {last['regret']:.2f}   share so far {_share(played)}"
    )


def _sum_up(played: list[dict[str, Any]], env: PricingEnv) -> None:
    if not played:
        print("No round was played.")
        return
    earned, best, regret = (
        sum(info[name] for info in played) for name in ("utility", "equilibrium_utility", "regret")
    )
    print(
        f"{len(played)} rounds: you earned {earned:.2f} of the {best:.2f} that equilibrium prices "
        f"earn ({_share(played)}), regret {regret:.2f} in all."
    )
    prices = [info["equilibrium_price"] for info in played]
    told = f"{prices[0]:.4g}" if min(prices) == max(prices) else f"{_range(prices)} (it moved)"
    print(f"The equilibrium price was {told}; you asked {_range([i['price'] for i in played])}.")


def _share(played: list[dict[str, Any]]) -> str:
    best = sum(info["equilibrium_utility"] for info in played)
    return f"{sum(info['utility'] for info in played) / best:.1%}" if best > 0 else "-"


def _range(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
