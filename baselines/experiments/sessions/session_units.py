"""Sessions of deep sellers as units of work: they learn; then what they learned is measured."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from aigc_market._files import read_json
from baselines.arena.task import Task
from baselines.experiments.compete import measures
from baselines.experiments.sessions import reply_solver, session_measures
from baselines.methods.sellers import deep_policies
from baselines.methods.sellers.deep_policies import Policies
from baselines.methods.sellers.deep_recipe import DeepRecipe
from baselines.methods.sellers.deep_sessions import Sessions
from baselines.runs.digest import code_digest, digest
from baselines.runs.files import holding, write_json


@dataclass(frozen=True)
class Learning:
    """Sessions in which two sellers learn beside each other: one batch of networks.

    Args:
        learner: what the recipe is called.
        task: of two sellers.
        recipe: of every seller.
        sessions: side by side.
        seed: of the first; the next has the next one.
        before: sessions that are over. Their sellers at the first seat learn on, each beside that
            at the second seat of the next session, which is frozen.
    """

    learner: str
    task: Task
    recipe: DeepRecipe
    sessions: int
    seed: int
    before: Learning | None = None

    def __str__(self) -> str:
        beside = "" if self.before is None else " beside frozen rivals"
        return f"{self.learner} on {self.task.name}, seed {self.seed}{beside}"

    def file(self, out: Path) -> Path:
        """Where the policies stand; beside them, as JSON, how prices moved."""
        before = self.before and self.before.file(out).name
        parts = dataclasses.asdict(self.recipe), self.sessions, self.seed, before
        named = self.task.digest(*parts, code_digest("baselines.methods.sellers"))
        stem = re.sub(r"[^\w.-]+", "_", f"{self.task.name}-{self.learner}-seed{self.seed}")
        return out / "learned" / f"{stem}{'-frozen' if before else ''}-{named}.safetensors"

    def curve(self, out: Path) -> dict[str, Any]:
        """By window of the sessions: its last `period`, and means of `price` and `utility`."""
        path = self.file(out).with_suffix(".json")
        return holding(path, read_json(path), "period", "price", "utility")

    def execute(self, out: Path) -> None:
        """Learn, and keep the policies; a session that was cut short goes on."""
        path, start = self.file(out), {}
        if self.before is not None:
            learned = deep_policies.load(self.before.file(out))
            start = {"learned": learned, "frozen": {1: next_ones(learned)}}
        made = Sessions(self.task, self.recipe, self.sessions, self.seed, **start)
        made.run(path.with_suffix(".part.safetensors"))
        seen = made.curve()
        columns = {"period": seen.periods, "price": seen.prices, "utility": seen.utility}
        write_json(path.with_suffix(".json"), {name: of.tolist() for name, of in columns.items()})
        made.policies().save(path)


@dataclass(frozen=True)
class Measuring:
    """What sellers do who learn no more: those that learned together, or strangers.

    Args:
        learning: of the sellers.
        strangers: whether each seller at the first seat meets that at the second of the next
            session, in place of its own rival.
    """

    learning: Learning
    strangers: bool = False

    def __str__(self) -> str:
        return f"{'strangers of ' if self.strangers else ''}{self.learning}"

    @property
    def against(self) -> str:
        """Whom the seller at the first seat meets: `itself`, `stranger` or `frozen`."""
        return "stranger" if self.strangers else "frozen" if self.learning.before else "itself"

    def file(self, out: Path) -> Path:
        """Where the records stand."""
        modules = __file__, measures.__file__, reply_solver.__file__, session_measures.__file__
        code = [Path(path).read_text("utf-8") for path in modules]
        learned = self.learning.file(out)
        return out / "measured" / f"{learned.stem}-{self.against}-{digest(code)}.json"

    def execute(self, out: Path) -> None:
        """Measure each session, from the mean prices of the last window of learning on."""
        learning = self.learning
        first = second = deep_policies.load(learning.file(out))
        if self.strangers:
            second = next_ones(first)
        elif learning.before is not None:
            second = next_ones(deep_policies.load(learning.before.file(out)))
        known = measures.benchmark(learning.task)
        strategies = [partial(one.mean, seat) for seat, one in enumerate((first, second))]
        curve = learning.curve(out)
        last = np.array(curve["price"][-1])
        records = session_measures.measured(known, strategies, last)
        if known.stands_still:
            rng = np.random.default_rng(learning.seed)
            exploring = [partial(p.sample, s, rng=rng) for s, p in enumerate((first, second))]
            noisy = session_measures.measured(known, exploring, last)
            for record, other in zip(records, noisy, strict=True):
                record["noisy_gain"] = other["profit_gain"]
            if not self.strangers:
                more = session_measures.probed(known, strategies, last, first.prices)
                records = [one | other for one, other in zip(records, more, strict=True)]
        write_json(self.file(out), {"records": records, "seconds": first.seconds})

    def rows(self, out: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """What all sessions share, and the records with the curve of those that learned."""
        learning = self.learning
        key = {"scenario": learning.task.name, "learner": learning.learner}
        key |= {"against": self.against, "seed": learning.seed}
        curve = {} if self.strangers else learning.curve(out)
        path = self.file(out)
        kept = holding(path, read_json(path), "records", "seconds")
        return key, {**kept, "curve": curve}


def next_ones(policies: Policies) -> Policies:
    """The sellers of the next session at the place of each, and of the first at the last's."""
    return policies.some(np.roll(np.arange(policies.sessions), -1).tolist())
