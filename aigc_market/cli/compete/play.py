"""`aigc-market compete play`: be one of several providers, or watch scripted ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import tyro

from aigc_market import _checks, replay
from aigc_market.cli.arguments import AWhole, File, Whole, Word, Words, check_seed, writable
from aigc_market.cli.asking import ask_price
from aigc_market.cli.compete.arguments import CompetitionFlags, alike, each
from aigc_market.competition import Competition, followers, rivals
from aigc_market.envs.competition.single import RivalEnv
from aigc_market.rendering import CompetitionRound
from aigc_market.rendering.competition.text import sales, summary
from aigc_market.rendering.numbers import count, exact, paid, steps

_SHOWN = 6  # providers in a line


@dataclass(frozen=True)
class Play:
    """Be one of several providers (ASPs), or watch scripted ones: each round all post a price.

    Nobody sees another's price of the same round; scripted VMUs then spread their requests over
    the providers and buy. `q` ends the game. Δ is the profit gain: 0 at the Nash equilibrium, 1 as
    a cartel. The equilibrium and the cartel's prices are told at the end.
    """

    market: Annotated[CompetitionFlags, tyro.conf.arg(name="")] = CompetitionFlags()  # noqa: RUF009
    scenario: Word = None
    """duopoly, calvano, road or hidden; duopoly, left out."""
    rivals: Words = ("nash",)
    """nash, cartel, best_reply, tit_for_tat or a price: one for all other providers, or one for
    each, in the order of their numbers; nash, left out."""
    policy: Word = None
    """The same for asp_0; you are asked for its prices, left out."""
    followers: Word = None
    """best_response, noisy or random; the scenario's own, left out."""
    rounds: AWhole = 10
    """How many."""
    seed: Whole = None
    """Of every random choice; a new game each time without it."""
    record: File = None
    """A file (.jsonl) for the rounds, which `aigc-market replay` shows."""

    def run(self) -> None:
        """Play until the last round, `q` or the end of the input."""
        rounds = _checks.integer("rounds", self.rounds, at_least=1)
        writable("record", self.record)
        given = self.market.given(self.scenario)
        given.update(max_cycles=rounds, continuous_actions=True)
        if self.scenario is not None:
            given["scenario"] = self.scenario
        if self.followers is not None:
            given["followers"] = _checks.choice("followers", self.followers, followers.SCRIPTED)
        market = RivalEnv(rivals="cartel", **given).market
        own = None if self.policy is None else _policy("policy", self.policy, market, 0)
        env = RivalEnv(rivals=self._rivals(market), **given)
        try:
            env.reset(seed=check_seed(self.seed, env, play="--followers"))
        except ValueError as error:  # of rivals that need what there is not
            raise ValueError(str(error).replace(" or a function", " or a price")) from None
        print(_introduction(env.market, own is None))
        played: list[CompetitionRound] = []
        rng = np.random.default_rng(self.seed)
        try:
            while len(played) < rounds:
                price = self._ask(env, own, played, rng)
                if price is None:
                    break
                env.step(np.array([price], np.float32))
                replay.collect(env, played)
                print(_told(played[-1]))
        finally:  # after Ctrl-C too
            if self.record is not None and played:
                replay.write(self.record, played)
        print(summary(played) if played else "No round was played.")
        if self.record is not None and played:
            print(f"Kept in {self.record}: aigc-market replay {self.record}")

    def _rivals(self, market: Competition) -> list[rivals.RivalPolicy]:
        """One for each of the others."""
        words, others = self.rivals or ("nash",), market.M - 1
        if len(words) not in (1, others):
            raise ValueError(
                f"rivals must be one for all or M − 1 = {others}, got {len(words)}: "
                + " ".join(words)
            )
        words = words * others if len(words) == 1 else words
        return [_policy("rivals", word, market, m) for m, word in enumerate(words, 1)]

    def _ask(
        self,
        env: RivalEnv,
        own: rivals.RivalPolicy | None,
        played: Sequence[CompetitionRound],
        rng: np.random.Generator,
    ) -> float | None:
        """The next price of asp_0; None to end the game."""
        market = env.market
        if own is None:
            question = f"round {len(played) + 1:,}/{self.rounds:,}"
            return ask_price(question, float(market.cost[0]), float(market.max_price[0]))
        last = np.array(played[-1].prices) if played else None
        return float(rivals.price(own, market, 0, last, env.oracle, rng, ()))


def _policy(name: str, word: str, market: Competition, seat: int) -> rivals.RivalPolicy:
    """A scripted provider by its name, or one that always posts a price."""
    try:
        price = float(word)
    except ValueError:
        if word in rivals.SCRIPTED:
            return rivals.SCRIPTED[word]
        raise ValueError(
            f"{name} must be one of {list(rivals.SCRIPTED)} or a price, got {word!r}"
        ) from None
    low, high = float(market.cost[seat]), float(market.max_price[seat])
    if not low <= price <= high:
        raise ValueError(
            f"{name} must post prices from {exact(low)} to {exact(high)} (asp_{seat}), got {word}"
        )
    return lambda *_: price


def _introduction(market: Competition, asked: bool) -> str:
    """Who plays, and what they may do."""
    least = f"{steps(market.min_steps)} to " if market.min_steps > 0 else "up to "
    if market.min_steps == market.max_steps:
        least = ""
    who = count(market.M, "provider")
    if asked:
        who = f"You are asp_0 of {who}"
    return (
        f"{who}, selling diffusion steps to {count(market.K, 'VMU')}. A step costs "
        f"{alike(market.cost)}.\n"
        "Each round all post a price; each VMU sees them, spreads its requests and buys "
        f"{least}{steps(market.max_steps)} for each."
    )


def _told(last: CompetitionRound) -> str:
    """A round in two lines."""
    prices, utilities = each(last.prices), " ".join(map(paid, last.utility[:_SHOWN]))
    gain = ""
    if last.mean_profit_gain is not None:
        gain = f"; Δ of the mean {exact(last.mean_profit_gain, 3)}"
    return f"round {last.number:,}: prices {prices}; {sales(last)}\n  earned {utilities}{gain}"
