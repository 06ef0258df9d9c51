"""Every method by name: how it is made or trained, and what it may know.

Factories and trainers are named, not imported: a method's module is imported when it is used.
"""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from aigc_market import _checks
from aigc_market._files import read_json
from baselines.arena.protocol import Method, Trainer
from baselines.arena.task import Game, Task
from baselines.runs.digest import code_digest

Knows = Literal["nothing", "form", "gradient", "law"]
"""Its track, what a method is told beside the public parameters and past rounds: nothing; `form`,
that demand is a line within bounds and its noise in proportion, fitted or tuned on episodes of the
law; `gradient`, training went through the simulator; `law`, how markets are drawn and move."""
KNOWS = ("nothing", "form", "gradient", "law")
TUNED = Path(__file__).parents[1] / "methods" / "tuned.json"
"""Parameters by scenario and method, of methods that are tuned instead of trained."""


@dataclass(frozen=True)
class Entry:
    """A method: a factory makes it, or trainers train it; each as "module:attribute"."""

    name: str
    knows: Knows = "nothing"
    factory: str | None = None
    """Called with (task, num_envs, seed, **parameters); gives a `Method`, of any provider."""
    trainer: str | None = None
    """A `Trainer` of the only provider."""
    sellers: str | None = None
    """A `Trainer` of all providers of a competition side by side."""

    def __post_init__(self) -> None:
        if (self.factory is None) == (self.trainer is None and self.sellers is None):
            raise ValueError(f"method {self.name!r} needs either a factory or a trainer")

    @property
    def is_own(self) -> bool:
        """Whether it is a user's own, `module:attribute`, and not of the registry."""
        return ":" in self.name

    @property
    def reference(self) -> str:
        """Of the factory or a trainer."""
        return self.factory or self.trainer or self.sellers or ""

    def make(self, task: Task, num_envs: int, seed: int, **parameters: Any) -> Method:
        """The method for N episodes, tuned for the task's scenario; of those that nobody trains.

        Args:
            task: what is played.
            num_envs: N.
            seed: of the method's random choices.
            parameters: in place of the tuned ones.

        Raises:
            TypeError, ValueError: a bad parameter, or one that is missing because the scenario has
                not been tuned for.
        """
        if self.factory is None:
            raise ValueError(f"{self.name} must be trained before it plays")
        parameters = {**self.tuned(task), **parameters}
        missing = [name for name in self.needs() if name not in parameters]
        if missing:
            raise ValueError(
                f"{self.name} needs {', '.join(missing)}, and was not tuned for {task.name!r}"
            )
        return imported(self.factory)(task, num_envs, seed, **parameters)

    def needs(self) -> list[str]:
        """Parameters that the factory has no default for."""
        others = list(inspect.signature(imported(str(self.factory))).parameters.values())[3:]
        own = [p for p in others if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        return [p.name for p in own if p.default is p.empty]

    def tuned(self, task: Task) -> dict[str, Any]:
        """Parameters that were found for the task's scenario; none where it was not tuned for."""
        return _tuned(TUNED).get(task.scenario_name, {}).get(self.name, {})

    def obstacle(self, task: Task) -> str | None:
        """Why the method cannot be made or trained for a task; None where it can."""
        if self.factory is None:
            try:
                return self.get_trainer(task.game).can_train(task)
            except ValueError as error:
                return str(error)
        try:
            self.make(task, 1, seed=0)
        except ValueError as error:
            return str(error)
        return None

    def code_digest(self) -> str:
        """Of the source of the rules and of the method, with what stands beside it."""
        names = (self.factory, self.trainer, self.sellers)
        return code_digest(*(name.partition(":")[0] for name in names if name is not None))

    def get_trainer(self, game: Game = "stackelberg") -> Trainer:
        """The trainer for a game.

        Raises:
            ValueError: nobody trains this method, or not for this game.
        """
        if self.factory is not None:
            raise ValueError(f"{self.name} must be a method that is trained: it plays as it is")
        reference = self.trainer if game == "stackelberg" else self.sellers
        if reference is None:
            raise ValueError(f"{self.name} must be a method that is trained for the game {game}")
        return imported(reference)


def _entries() -> list[Entry]:
    methods = "baselines.methods"
    sellers = f"{methods}.sellers.seller_trainer"
    bayes = f"{methods}.bayes.pricing"
    return [
        Entry("tppo", trainer=f"{methods}.sb3.trainer:TPPO", sellers=f"{sellers}:TPPO"),
        Entry("ppo", trainer=f"{methods}.sb3.trainer:PPO_MLP", sellers=f"{sellers}:PPO"),
        Entry("ppo_statistics", trainer=f"{methods}.sb3.trainer:PPO_STATISTICS"),
        Entry("recurrent_ppo", trainer=f"{methods}.sb3.trainer:RECURRENT_PPO"),
        Entry(
            "recurrent_ppo_statistics", trainer=f"{methods}.sb3.trainer:RECURRENT_PPO_STATISTICS"
        ),
        Entry("filter_unfitted", "form", factory=f"{methods}.filter.leader:unfitted"),
        Entry("filter", "form", trainer=f"{methods}.filter.trainers:FILTER"),
        Entry("filter_ppo", "form", trainer=f"{methods}.filter.trainers:FILTER_PPO"),
        Entry("filter_pathwise", "gradient", trainer=f"{methods}.filter.trainers:FILTER_PATHWISE"),
        Entry("greedy", factory=f"{methods}.greedy:Greedy"),
        Entry("random", factory=f"{methods}.fixed:Random"),
        Entry("constant", factory=f"{methods}.fixed:Constant"),
        Entry("epsilon_greedy", factory=f"{methods}.greedy:EpsilonGreedy"),
        Entry("cils", "form", factory=f"{methods}.least_squares:Cils"),
        Entry("cils_discounted", "form", factory=f"{methods}.least_squares:cils_discounted"),
        Entry("likelihood_grid", "form", factory=f"{methods}.bayes.flat:LikelihoodGrid"),
        Entry("thompson", "form", factory=f"{methods}.kalman:thompson"),
        Entry("kalman_total", "form", factory=f"{methods}.kalman:KalmanTotal"),
        Entry("kalman", "form", factory=f"{methods}.kalman:KalmanSlots"),
        Entry("bayes", "law", factory=f"{bayes}:bayes"),
        Entry("bayes_thompson", "law", factory=f"{bayes}:bayes_thompson"),
        Entry("bayes_information", "law", factory=f"{bayes}:bayes_information"),
        Entry("equilibrium", "law", factory=f"{methods}.fixed:Equilibrium"),
    ]


def _rivals() -> list[Entry]:
    sellers = "baselines.methods.sellers"
    learned, scripted = f"{sellers}.seller_trainer", f"{sellers}.scripted"
    return [
        Entry("q_learning", sellers=f"{learned}:Q_LEARNING"),
        Entry("q_learning_myopic", sellers=f"{learned}:Q_LEARNING_MYOPIC"),
        Entry("dqn", sellers=f"{learned}:DQN"),
        Entry("ppo_myopic", sellers=f"{learned}:PPO_MYOPIC"),
        Entry("ppo_shared", sellers=f"{learned}:PPO_SHARED"),
        Entry("ppo_vmus", sellers=f"{learned}:PPO_VMUS"),
        Entry("best_reply", "law", factory=f"{scripted}:best_reply"),
        Entry("tit_for_tat", "law", factory=f"{scripted}:tit_for_tat"),
        Entry("nash", "law", factory=f"{scripted}:nash"),
        Entry("cartel", "law", factory=f"{scripted}:cartel"),
    ]


REGISTRY: dict[str, Entry] = {entry.name: entry for entry in _entries()}
"""The methods of these baselines by name, for markets of one provider; many play beside rivals."""
RIVALS: dict[str, Entry] = {entry.name: entry for entry in _rivals()}
"""Those that play in markets of several providers alone."""


def resolve(name: str, knows: Knows = "nothing") -> Entry:
    """The entry that a name means: one of the registry, or a factory `module:attribute`.

    Args:
        name: of a method, or of a user's own factory.
        knows: what a user's own method may know.

    Raises:
        ValueError: neither; or the factory cannot be found.
    """
    if ":" in name:
        _checks.choice("knows", knows, KNOWS)
        imported(name)
        return Entry(name, knows, factory=name)
    known = REGISTRY | RIVALS
    if name not in known:
        raise ValueError(
            f"method must be one of {', '.join(known)}, or module:factory, got {name!r}"
        )
    return known[name]


def imported(reference: str) -> Any:
    """What "module:attribute" names.

    Raises:
        ValueError: there is no such module, or nothing of that name in it.
    """
    module, _, attribute = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"method must be module:factory, got {reference!r}: {error}") from error


@cache
def _tuned(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    return read_json(path)
