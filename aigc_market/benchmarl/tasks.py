"""What BenchMARL asks of a task, answered by `MarketEnv`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml
from benchmarl.environments import Task, TaskClass
from tensordict import TensorDictBase
from torchrl.data import Composite, MultiCategorical
from torchrl.envs import EnvBase

from aigc_market import _checks
from aigc_market._files import read_text
from aigc_market.envs.game import FOLLOWER, LEADER
from aigc_market.torchrl import MarketEnv
from aigc_market.torchrl.games import STATE

DEFAULTS: dict[str, Any] = {"normalize": True, "scale_rewards": True, "infos": True}
"""Where they differ from `MarketEnv`'s: networks learn from numbers near 1, loggers from infos."""

_CONFIG = "a dictionary of MarketEnv's keyword arguments, or None"
_NOT_OF_CONFIG = {
    "game": "the task's name says it",
    "num_envs": "the experiment's n_envs_per_worker and evaluation_episodes say it",
    "device": "the experiment's sampling_device says it",
    "seed": "the experiment says it",
    "continuous_actions": "the experiment's prefer_continuous_actions and its algorithm say it",
}


class MarketClass(TaskClass):
    """One of the market games as a task of BenchMARL, thousands of games in one environment.

    Leaders are the group `asp`, followers the group `vmu` (none where they are scripted). A price
    is paid one step after it was posted, so an experiment's `gamma` must be above 0; followers are
    paid at once, and learn better where their own is 0.

    Args:
        name: of the game, a name in `MarketTask`.
        config: keyword arguments of `MarketEnv`, but for those that the experiment gives; what is
            left out is as there, but for `DEFAULTS`. None: nothing is given.

    Raises:
        TypeError, ValueError: an unknown name or a bad value.
    """

    def __init__(self, name: str, config: dict[str, Any] | None = None) -> None:
        given = {} if config is None else _checks.instance("config", config, dict, _CONFIG)
        for key, why in _NOT_OF_CONFIG.items():
            if key in given:
                raise ValueError(f"config must not hold {key}: {why}, got {given[key]!r}")
        super().__init__(name, {**DEFAULTS, **given})
        self._games(1)  # which checks the rest

    def _games(self, num_envs: int, **of_experiment: Any) -> MarketEnv:
        return MarketEnv(num_envs, self.name.lower(), **of_experiment, **self.config)

    def get_env_fun(
        self, num_envs: int, continuous_actions: bool, seed: int | None, device: Any
    ) -> Callable[[], EnvBase]:
        """A function that makes one environment of `num_envs` games."""
        return lambda: self._games(
            num_envs, continuous_actions=continuous_actions, seed=seed, device=device
        )

    def supports_continuous_actions(self) -> bool:
        """Prices and steps are numbers."""
        return True

    def supports_discrete_actions(self) -> bool:
        """A grid of prices and whole numbers of steps, but not where an action is several indices.

        Followers of several providers choose weights too.
        """
        actions = self._games(1, continuous_actions=False).full_action_spec
        return not any(isinstance(spec, MultiCategorical) for spec in actions.values(True, True))

    def max_steps(self, env: Any) -> int:
        """Rounds of an episode."""
        return env.settings.max_cycles

    def has_render(self, env: EnvBase) -> bool:
        """Games on tensors are not drawn."""
        return False

    def group_map(self, env: Any) -> dict[str, list[str]]:
        """Names of agents by group."""
        return env.group_map

    def observation_spec(self, env: Any) -> Composite:
        """What models read: `(group, "observation")`."""
        return _of_groups(env, "observation")

    def info_spec(self, env: Any) -> Composite | None:
        """`(group, "info", name)`; None where `infos=False`."""
        return _of_groups(env, "info") if self.config["infos"] else None

    def state_spec(self, env: Any) -> Composite | None:
        """`state`, for centralised critics; None where `state=False`."""
        spec = env.full_observation_spec_unbatched.get(STATE, None)
        return None if spec is None else Composite({STATE: spec.clone()})

    def action_spec(self, env: Any) -> Composite:
        """`(group, "action")`."""
        return env.full_action_spec_unbatched

    def action_mask_spec(self, env: EnvBase) -> Composite | None:
        """No action is ever forbidden."""
        return None

    @staticmethod
    def env_name() -> str:
        """Of all tasks of this package."""
        return "aigc_market"

    @staticmethod
    def log_info(batch: TensorDictBase) -> dict[str, float]:
        """How far from the best a batch was played, explorations included.

        Args:
            batch: as collected.

        Returns:
            Means over steps and games, if infos judge. Of leaders they are `market/leader_share` of
            U_p* and `market/leader_regret`; with several providers `market/profit_gain`, 0 at the
            Nash equilibrium and 1 at the cartel, and of followers `market/follower_regret`.
        """

        def told(group: str, name: str) -> Any:
            return batch.get(("next", group, "info", name), None)

        means = {
            "leader_regret": told(LEADER, "regret"),
            "profit_gain": told(LEADER, "profit_gain"),
            "follower_regret": told(FOLLOWER, "regret"),
        }
        best, lost = told(LEADER, "equilibrium_utility"), means["leader_regret"]
        if best is not None:
            share = (best - lost) / best.where(best > 0, 1.0)
            means["leader_share"] = share.where(best > 0, 1.0)
        return {
            f"market/{name}": value.mean().item()
            for name, value in means.items()
            if value is not None
        }


class MarketTask(Task):
    """The market games: `MarketTask.STACKELBERG.get_task({"K": 10, "scenario": "hidden"})`.

    `get_task` takes a `MarketClass`'s config, and without one gives the game's defaults.
    """

    STACKELBERG = None
    """One provider."""
    COMPETITION = None
    """Several."""

    @staticmethod
    def associated_class() -> type[MarketClass]:
        """Of the tasks."""
        return MarketClass

    def get_from_yaml(self, path: str | None = None) -> MarketClass:
        """The task of a config in a YAML file; without one, with the game's defaults.

        Raises:
            OSError: the file cannot be read.
            TypeError, ValueError: it is no YAML of a mapping, an unknown name or a bad value.
        """
        return MarketClass(self.name, _read_yaml(path) if path else None)


def _read_yaml(path: str) -> dict[str, Any] | None:
    """A config's arguments; None where the file holds nothing."""
    text = read_text(path, "YAML of a mapping")
    try:
        config = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: must be YAML ({error})") from None
    if config is not None and not isinstance(config, dict):
        raise ValueError(f"{path}: must be a mapping of YAML, got {config!r}")
    return config


def _of_groups(env: Any, name: str) -> Composite:
    """One entry of each group's observation."""
    spec = env.full_observation_spec_unbatched
    return Composite(
        {
            group: Composite({name: spec[group, name].clone()}, shape=(len(agents),))
            for group, agents in env.group_map.items()
        }
    )
