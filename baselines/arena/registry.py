"""Every method by name: how it is made or trained, and what it may know.

Factories and trainers are named, not imported: a method's module is imported when it is used.
"""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from aigc_market import _checks
from aigc_market._files import read_json
from baselines.arena.protocol import Method, Trainer
from baselines.arena.task import Game, Task
from baselines.runs.digest import code_digest

Knows = Literal["nothing", "form", "gradient", "law"]
"""Its track, what a method is told beside the public parameters and past rounds: nothing; `form`,
that demand is a line of the price, or of its logarithm, within bounds and its noise in proportion,
fitted or tuned on episodes of the law; `gradient`, training went through the simulator; `law`, how
markets are drawn and move."""
KNOWS: tuple[str, ...] = get_args(Knows)
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
    menus: str | None = None
    """A `Trainer` of a provider that sells contracts; its policies answer what they see."""

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
        factory, parameters = imported(self.factory), {**self.tuned(task), **parameters}
        if not callable(factory):
            raise ValueError(f"{self.name} must be a callable (task, num_envs, seed)")
        own = list(inspect.signature(factory).parameters.values())[3:]
        own = [p for p in own if p.default is p.empty and p.name not in parameters]
        if missing := [p.name for p in own if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]:
            raise ValueError(
                f"{self.name} needs {', '.join(missing)}, and was not tuned for {task.name!r}"
            )
        made: Any = factory(task, num_envs, seed, **parameters)
        if not callable(getattr(made, "act", None)):
            raise ValueError(f"{self.name} must give a Method, with `act(history)`, got {made!r}")
        return made

    def tuned(self, task: Task) -> dict[str, Any]:
        """Parameters that were found for the task's scenario; none where it was not tuned for."""
        return _tuned(TUNED).get(task.scenario_name, {}).get(self.name, {})

    def obstacle(self, task: Task) -> str | None:
        """Why the method cannot be made or trained for a task; None where it can."""
        try:
            if self.factory is None:
                return self.get_trainer(task.game).can_train(task)
            self.make(task, 1, seed=0)
        except ValueError as error:
            return str(error)
        return None

    def code_digest(self) -> str:
        """Of the source of the rules and of the method, with what stands beside it."""
        names = (self.factory, self.trainer, self.sellers, self.menus)
        return code_digest(*(name.partition(":")[0] for name in names if name is not None))

    def get_trainer(self, game: Game = "stackelberg") -> Trainer:
        """The trainer for a game.

        Raises:
            ValueError: nobody trains this method, or not for this game.
        """
        if self.factory is not None:
            raise ValueError(f"{self.name} must be a method that is trained: it plays as it is")
        trainers = {"stackelberg": self.trainer, "competition": self.sellers, "menus": self.menus}
        reference = trainers[game]
        if reference is None:
            raise ValueError(f"{self.name} must be a method that is trained for the game {game}")
        return imported(reference)


_METHODS = "baselines.methods"
_SB3 = f"{_METHODS}.sb3.trainer"
_MENUS = f"{_METHODS}.sb3.menu_trainer"
_SELLERS = f"{_METHODS}.sellers.seller_trainer"
_SCRIPTED = f"{_METHODS}.sellers.scripted"

REGISTRY: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("tppo", trainer=f"{_SB3}:TPPO", sellers=f"{_SELLERS}:TPPO"),
        Entry("ppo", trainer=f"{_SB3}:PPO_MLP", sellers=f"{_SELLERS}:PPO", menus=f"{_MENUS}:PPO"),
        Entry("recurrent_ppo", trainer=f"{_SB3}:RECURRENT_PPO"),
        Entry("a2c", trainer=f"{_SB3}:A2C_MLP"),
        Entry("sac", trainer=f"{_SB3}:SAC_MLP", menus=f"{_MENUS}:SAC"),
        Entry("td3", trainer=f"{_SB3}:TD3_MLP", menus=f"{_MENUS}:TD3"),
        Entry("diffusion_td3", trainer=f"{_SB3}:DIFFUSION_TD3", menus=f"{_MENUS}:DIFFUSION_TD3"),
        Entry("dqn", trainer=f"{_SB3}:DQN_MLP", sellers=f"{_SELLERS}:DQN"),
        Entry("filter_unfitted", "form", factory=f"{_METHODS}.filter.leader:unfitted"),
        Entry("filter", "form", trainer=f"{_METHODS}.filter.trainers:FILTER"),
        Entry("filter_ppo", "form", trainer=f"{_METHODS}.filter.trainers:FILTER_PPO"),
        Entry("filter_pathwise", "gradient", trainer=f"{_METHODS}.filter.trainers:FILTER_PATHWISE"),
        Entry("greedy", factory=f"{_METHODS}.greedy:Greedy"),
        Entry("random", factory=f"{_METHODS}.fixed:Random"),
        Entry("constant", factory=f"{_METHODS}.fixed:Constant"),
        Entry("epsilon_greedy", factory=f"{_METHODS}.greedy:EpsilonGreedy"),
        Entry("cils", "form", factory=f"{_METHODS}.least_squares:Cils"),
        Entry("cils_discounted", "form", factory=f"{_METHODS}.least_squares:cils_discounted"),
        Entry("log_cils", "form", factory=f"{_METHODS}.least_squares:log_cils"),
        Entry("likelihood_grid", "form", factory=f"{_METHODS}.bayes.flat:LikelihoodGrid"),
        Entry("log_grid", "form", factory=f"{_METHODS}.bayes.flat:log_grid"),
        Entry("thompson", "form", factory=f"{_METHODS}.kalman:thompson"),
        Entry("kalman_total", "form", factory=f"{_METHODS}.kalman:KalmanTotal"),
        Entry("kalman", "form", factory=f"{_METHODS}.kalman:KalmanSlots"),
        Entry("bayes", "law", factory=f"{_METHODS}.bayes.pricing:bayes"),
        Entry("bayes_thompson", "law", factory=f"{_METHODS}.bayes.pricing:bayes_thompson"),
        Entry("bayes_information", "law", factory=f"{_METHODS}.bayes.pricing:bayes_information"),
        Entry("equilibrium", "law", factory=f"{_METHODS}.fixed:Equilibrium"),
    )
}
"""The methods of these baselines by name, for markets of one provider; many play beside rivals."""
RIVALS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("q_learning", sellers=f"{_SELLERS}:Q_LEARNING"),
        Entry("q_learning_myopic", sellers=f"{_SELLERS}:Q_LEARNING_MYOPIC"),
        Entry("ppo_myopic", sellers=f"{_SELLERS}:PPO_MYOPIC"),
        Entry("ppo_shared", sellers=f"{_SELLERS}:PPO_SHARED"),
        Entry("ppo_vmus", sellers=f"{_SELLERS}:PPO_VMUS"),
        Entry("best_reply", "law", factory=f"{_SCRIPTED}:best_reply"),
        Entry("tit_for_tat", "law", factory=f"{_SCRIPTED}:tit_for_tat"),
        Entry("nash", "law", factory=f"{_SCRIPTED}:nash"),
        Entry("cartel", "law", factory=f"{_SCRIPTED}:cartel"),
    )
}
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
            f"method must be one of {', '.join(known)}, or module:factory, "
            f"got {name!r}{_checks.meant(name, known)}"
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
    except Exception as error:  # of a user's own module: of any kind
        said = f"{reference!r}: {type(error).__name__}: {error}"
        raise ValueError(f"method must be module:factory, got {said}") from error


@cache
def _tuned(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    return read_json(path)
