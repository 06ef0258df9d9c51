"""`aigc-market play`: be the leader in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import tyro

from aigc_market import _checks, replay
from aigc_market.cli.arguments import AWhole, File, MarketFlags, Whole, Word, check_seed, writable
from aigc_market.cli.asking import ask_price
from aigc_market.envs.single import PricingEnv
from aigc_market.rendering import Round
from aigc_market.rendering.numbers import beside, count, exact, money, steps
from aigc_market.rendering.text import sales, share, summary


@dataclass(frozen=True)
class Play:
    """Be the provider (the ASP): post a price each round; scripted VMUs buy at it.

    `q` ends the game. Regret is what a price costs against rational VMUs, whatever these ones buy;
    your share is what is left of the equilibrium's utility, 1 − Σ regret / Σ U_p*. The equilibrium
    itself is told at the end.
    """

    market: Annotated[MarketFlags, tyro.conf.arg(name="")] = MarketFlags()  # noqa: RUF009 (frozen)
    scenario: Word = None
    """paper, hidden, drift, shift, crowd, capacity or live; paper, left out."""
    vmus: Word = None
    """best_response, noisy, quantal, myopic_discount or random; the scenario's own, left out."""
    rounds: AWhole = 10
    """How many."""
    seed: Whole = None
    """Of every random choice; a new game each time without it."""
    record: File = None
    """A file (.jsonl) for the rounds, which `aigc-market replay` shows."""
    show_equilibrium: bool = False
    """Tell the equilibrium before each price, which spoils the game."""

    def run(self) -> None:
        """Play until the last round, `q` or the end of the input."""
        given = self.market.given(self.scenario)
        named = {name: getattr(self, name) for name in ("scenario", "vmus")}
        given.update({name: value for name, value in named.items() if value is not None})
        rounds = _checks.integer("rounds", self.rounds, at_least=1)
        writable("record", self.record)
        env = PricingEnv(max_cycles=rounds, **given)
        env.reset(seed=check_seed(self.seed, env, play="--vmus"))
        print(_introduction(env))
        played: list[Round] = []
        try:
            while len(played) < rounds:
                price = self._ask(env, len(played) + 1)
                if price is None:
                    break
                env.step(np.array([price], np.float32))
                replay.collect(env, played)
                print(_told(played))
        finally:  # after Ctrl-C too
            if self.record is not None and played:
                replay.write(self.record, played)
        print(f"{summary(played)}\n{_prices(played)}" if played else "No round was played.")
        if self.record is not None and played:
            print(f"Kept in {self.record}: aigc-market replay {self.record}")

    def _ask(self, env: PricingEnv, number: int) -> float | None:
        """The next price; None to end the game."""
        market, hint = env.market, ""
        if self.show_equilibrium:
            best = env.equilibrium
            hint = f" (equilibrium {exact(best.price)} earns {money(best.asp_utility)})"
        question = f"round {number:,}/{self.rounds:,}{hint}"
        return ask_price(question, float(market.cost), float(market.max_price))


def _introduction(env: PricingEnv) -> str:
    """Who the player is, what he sees, and what he may do."""
    market = env.market
    least = f"{steps(market.min_steps)} to" if market.min_steps > 0 else "up to"
    lines = [
        f"You are the provider (the ASP): you sell diffusion steps to {count(market.K, 'VMU')}, "
        "whose images they improve.",
        f"A step costs you {exact(market.cost)}. Each round you post its price; each VMU sees it "
        f"and buys {least} {steps(market.max_steps)}.",
    ]
    if market.capacity is not None:
        lines.append(
            f"You can run {exact(market.capacity, 4)} steps in a round: if they ask for more, each "
            "gets the same share of what it asked for."
        )
    if market.active is not None:
        lines.append("VMUs come and go.")
    lines.append(
        "You see what they buy and what you earn, but not what an image is worth to them (δ)."
    )
    return "\n".join(lines)


def _told(played: Sequence[Round]) -> str:
    """The last round."""
    last = played[-1]
    regret = money(beside(last.regret, last.equilibrium_utility))
    return (
        f"  price {exact(last.price)}: steps sold {sales(last)}\n"
        f"  you earned {money(last.utility)}; against rational VMUs: regret {regret}, "
        f"share so far {share(played)}"
    )


def _prices(played: Sequence[Round]) -> str:
    """The equilibrium's and the player's."""
    best = _range([record.equilibrium_price for record in played])
    moved = " (it moved)" if " " in best else ""
    asked = _range([record.price for record in played])
    return f"The equilibrium price was {best}{moved}; you asked {asked}."


def _range(values: Sequence[float]) -> str:
    low, high = (exact(end) for end in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
