"""What is played: a scenario, and what of it is set otherwise."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from gymnasium.vector import AutoresetMode

import aigc_market
from aigc_market import _checks
from aigc_market import followers as scripted
from aigc_market.envs import competition, menus, stackelberg
from aigc_market.envs.pages.menu_vector import MenuVectorEnv
from aigc_market.envs.pages.vector import PricingVectorEnv
from aigc_market.scenarios import Scenario
from baselines.arena.arguments import EnvArguments, given
from baselines.arena.protocol import PublicParameters
from baselines.runs.digest import code_digest, described, digest

Game = Literal["stackelberg", "competition", "menus"]
_SETTINGS: dict[str, Any] = {
    "stackelberg": stackelberg.Settings,
    "competition": competition.Settings,
    "menus": menus.Settings,
}
_FOLLOWERS = {"stackelberg": scripted.SCRIPTED, "menus": scripted.SCRIPTED_MENUS}
"""By name, of games with one provider."""


@dataclass(frozen=True, eq=False)
class Task:
    """A game, a scenario of it and arguments of the environments, as JSON; equal where all are.

    Args:
        scenario: a preset's name, or a scenario of one's own.
        arguments: keyword arguments, as `EnvArguments.as_json` gives them.
        game: of one provider, of several that compete, or of one that sells contracts.
        seat: of the provider whose task it is, where there are several.

    Raises:
        TypeError: an argument that the environments do not have.
        ValueError: an unknown game.
    """

    scenario: str | Scenario = "paper"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    game: Game = "stackelberg"
    seat: int = 0

    def __post_init__(self) -> None:
        _checks.choice("game", self.game, _SETTINGS)
        _checks.integer("seat", self.seat, at_least=0)
        known = set(_SETTINGS[self.game].names()) - {"scenario"}
        for name in self.arguments:
            if name not in known:
                raise TypeError(f"arguments must be among {', '.join(sorted(known))}, got {name!r}")
        plain = json.loads(json.dumps(dict(self.arguments)))
        object.__setattr__(self, "arguments", dict(sorted(plain.items())))

    def changed(self, given: EnvArguments) -> Task:
        """The task with what the command line gives in place of its own."""
        arguments = {**self.arguments, **given.as_json()}
        return replace(self, scenario=arguments.pop("scenario", self.scenario), arguments=arguments)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Task:
        """What `as_json` gave."""
        return cls(**kept)

    def as_json(self) -> dict[str, Any]:
        """The scenario's name, the arguments, the game where it is not one of prices and of one
        provider, and the seat where providers compete."""
        plain = {"scenario": self.scenario_name, "arguments": dict(self.arguments)}
        if self.game != "stackelberg":
            plain["game"] = self.game
        if self.game == "competition":
            plain["seat"] = self.seat
        return plain

    @property
    def name(self) -> str:
        """As it stands in tables and in names of files: `hidden`, `crowd-K40`, `paper-K3-cost2`."""
        parts = [self.scenario_name]
        for name, value in self.arguments.items():
            words = value if isinstance(value, list) else [value]
            of_value = "-".join(f"{w:g}" if isinstance(w, float) else str(w) for w in words)
            parts.append(name + re.sub(r"[^\w.-]+", "_", of_value))
        return "-".join(parts)

    @property
    def scenario_name(self) -> str:
        """Of the scenario alone."""
        return self.scenario if isinstance(self.scenario, str) else self.scenario.name

    @cached_property
    def _key(self) -> str:
        return json.dumps([described(self.scenario), self.arguments, self.game, self.seat])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def keywords(self) -> dict[str, Any]:
        """Keyword arguments as the environments take them.

        Raises:
            ValueError: numbers that are none, or a bad CSV file.
        """
        return {"scenario": self.scenario, **given(self.arguments)}

    def settings(self) -> Any:
        """What the environments are made with: the game's `Settings`.

        Raises:
            TypeError, ValueError: a bad argument.
        """
        return _SETTINGS[self.game].make(**self.keywords())

    @property
    def stands_still(self) -> bool:
        """Whether all rounds of all episodes are of one market: nothing is drawn or moves."""
        settings = self.settings()
        drawn = settings.satisfaction, settings.ssim, settings.capacity
        return not settings.scenario.moves and all(law is None for law in drawn)

    def public(self) -> PublicParameters:
        """What the provider knows of the markets."""
        market = self.settings().market
        names = ("K", "cost", "max_price", "min_steps", "max_steps")
        known = {name: getattr(market, name) for name in names}
        if self.game == "competition":
            known |= {name: float(known[name][self.seat]) for name in ("cost", "max_price")}
            known["min_steps"] = 0.0  # of this provider: all may be asked of the others
        return PublicParameters(**known)

    def environment(self, num_envs: int, **more: Any) -> PricingVectorEnv:
        """The task's markets side by side: a `MenuVectorEnv` where contracts are sold.

        Args:
            num_envs: N.
            more: keyword arguments in place of the task's.
        """
        given = {"autoreset_mode": AutoresetMode.SAME_STEP, **self.keywords(), **more}
        view: Any = MenuVectorEnv if self.game == "menus" else PricingVectorEnv
        return view(num_envs, **given)

    def digest_parts(self) -> dict[str, Any]:
        """All of the task that results depend on, as JSON: its names, law and followers."""
        settings = self.settings()
        followers = self.arguments.get("followers", settings.scenario.followers)
        if self.game in _FOLLOWERS:
            followers = scripted.resolve(followers, _FOLLOWERS[self.game])
        return {**self.as_json(), "law": described(settings), "followers": described(followers)}

    def digest(self, *more: Any) -> str:
        """Digest of the task, the code of the rules, the package's version, and more JSON."""
        return digest([self.digest_parts(), code_digest(), aigc_market.__version__, *more])
