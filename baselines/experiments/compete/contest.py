"""The units of the experiment's work: a training, and a meeting of sellers; kept as files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import aigc_market
from aigc_market._files import read_json
from aigc_market.scenarios import COMPETITION_SCENARIOS
from baselines.experiments.compete import meeting
from baselines.experiments.compete.meeting import Scripted, Seller, benchmark
from baselines.methods.sellers import lockstep
from baselines.methods.sellers.lockstep import Sellers
from baselines.methods.sellers.seller_recipes import LEARNED, SellerRecipe, parts
from baselines.runs.digest import code_digest, described, digest, module_digest
from baselines.runs.files import write_json

SCRIPTED = ("best_reply", "tit_for_tat", "nash", "cartel")
STANDING = ("duopoly", "calvano")
"""Scenarios whose market is the same in every round."""


@dataclass(frozen=True)
class Training:
    """Sellers of a scenario that learn beside each other under a seed."""

    scenario: str
    method: str
    seed: int
    recipe: SellerRecipe

    def __str__(self) -> str:
        return f"training of {self.method} on {self.scenario}, seed {self.seed}"

    @property
    def name(self) -> str:
        """Of the sellers in tables' keys and files."""
        return f"{self.method}-seed{self.seed}"

    def digest(self) -> str:
        """Of all that the training depends on."""
        return _digest(self.scenario, lockstep.__name__, self.method, self.seed, vars(self.recipe))

    def file(self, out: Path) -> Path:
        """Where the sellers stand."""
        return out / "trained" / f"{self.scenario}-{self.name}-{self.digest()}.safetensors"

    def execute(self, out: Path) -> None:
        """Train and keep the sellers, unless that was done before."""
        if not self.file(out).exists():
            trained = lockstep.train(self.scenario, self.method, self.seed, self.recipe)
            trained.keep(self.file(out))


@cache
def _law(scenario: str) -> Any:
    return described(COMPETITION_SCENARIOS[scenario])


def _digest(scenario: str, module: str, *more: Any) -> str:
    of_code = code_digest(), module_digest(module), aigc_market.__version__
    return digest([_law(scenario), *of_code, *more])


@dataclass(frozen=True)
class Meeting:
    """One seller at the first seat, another's at all the others, where both no longer learn."""

    scenario: str
    row: Training | str
    """Trained sellers, of which the one for the seat plays; or a scripted one by name."""
    column: Training | str

    def __str__(self) -> str:
        return f"{_name(self.row)} against {_name(self.column)} on {self.scenario}"

    @property
    def own(self) -> bool:
        """Whether those meet that have learned beside each other."""
        return self.row == self.column

    def file(self, out: Path) -> Path:
        """Where the result stands."""
        plan = meeting.WARM_UP, meeting.ROUNDS, meeting.GAMES
        sides = [s if isinstance(s, str) else s.digest() for s in (self.row, self.column)]
        of = _digest(self.scenario, meeting.__name__, plan, sides)
        name = f"{self.scenario}-{_name(self.row)}-{_name(self.column)}-{of}.json"
        return out / "met" / name

    def execute(self, out: Path) -> None:
        """Let them meet and keep the measures, unless that was done before."""
        if self.file(out).exists():
            return
        row, column = _seller(self.row, out), _seller(self.column, out)
        known = benchmark(self.scenario)
        M = known.theory.market.M
        sellers = [row, *[column] * (M - 1)]
        learned = row if self.own and isinstance(row, Sellers) else None
        vmus = learned and learned.vmus
        result = meeting.measure(meeting.play(sellers, known, vmus), known)
        if learned is not None:
            recipe = learned.recipe
            result |= {"curve": learned.curve, "seconds": learned.seconds, "rounds": recipe.rounds}
            if vmus is not None:
                result["vmu_regret_everywhere"] = meeting.regret_everywhere(
                    vmus, learned.units, known
                )
            elif not known.moves:
                result["deviations"] = [
                    meeting.deviate(sellers, known, seat, recipe.gamma) for seat in range(M)
                ]
        write_json(self.file(out), result)

    def result(self, out: Path) -> dict[str, Any]:
        """What was kept."""
        return read_json(self.file(out))


def _name(side: Training | str) -> str:
    return side if isinstance(side, str) else side.name


def _seller(side: Training | str, out: Path) -> Seller:
    return Scripted(side) if isinstance(side, str) else Sellers.load(side.file(out))


def check_method(name: str) -> str:
    """A method's name; ValueError where there is none of it."""
    if name in SCRIPTED:
        return name
    try:
        parts(name)
    except ValueError as error:
        raise ValueError(f"--methods must be one of {[*SCRIPTED, *LEARNED]} …, {error}") from None
    return name
