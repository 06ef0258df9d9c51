"""What is played: a scenario, and what of it is set otherwise."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gymnasium.vector import AutoresetMode

import aigc_market
from aigc_market import followers as scripted
from aigc_market.envs.pages.vector import PricingVectorEnv
from aigc_market.envs.stackelberg import Settings
from aigc_market.scenarios import Scenario
from baselines.arena.arguments import EnvArguments
from baselines.arena.protocol import PublicParameters
from baselines.runs.digest import code_digest, described, digest


@dataclass(frozen=True, eq=False)
class Task:
    """A scenario with arguments of the environments, as JSON; equal where both are.

    Args:
        scenario: a preset's name, or a scenario of one's own.
        arguments: keyword arguments, as `EnvArguments.as_json` gives them.

    Raises:
        TypeError: an argument that the environments do not have.
    """

    scenario: str | Scenario = "paper"
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = set(EnvArguments.__dataclass_fields__) - {"scenario"}
        for name in self.arguments:
            if name not in known:
                raise TypeError(f"arguments must be among {', '.join(sorted(known))}, got {name!r}")
        plain = json.loads(json.dumps(dict(self.arguments)))
        object.__setattr__(self, "arguments", dict(sorted(plain.items())))

    @classmethod
    def of(cls, given: EnvArguments) -> Task:
        """The task that the command line's environment arguments name."""
        arguments = given.as_json()
        return cls(arguments.pop("scenario", "paper"), arguments)

    def changed(self, given: EnvArguments) -> Task:
        """The task with what is given in place of its own."""
        arguments = {**self.arguments, **given.as_json()}
        return Task(arguments.pop("scenario", self.scenario), arguments)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Task:
        """What `as_json` gave."""
        return cls(kept["scenario"], kept["arguments"])

    def as_json(self) -> dict[str, Any]:
        """The scenario's name and the arguments."""
        return {"scenario": self.scenario_name, "arguments": dict(self.arguments)}

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
        return json.dumps([described(self.scenario), self.arguments])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def keywords(self) -> dict[str, Any]:
        """Keyword arguments as the environments take them.

        Raises:
            ValueError: numbers that are none, or a bad CSV file.
        """
        return {"scenario": self.scenario, **EnvArguments(**self.arguments).given()}

    def settings(self) -> Settings:
        """What the environments are made with.

        Raises:
            TypeError, ValueError: a bad argument.
        """
        return Settings.make(**self.keywords())

    def public(self) -> PublicParameters:
        """What the leader knows of the markets."""
        market = self.settings().market
        names = ("K", "cost", "max_price", "min_steps", "max_steps")
        return PublicParameters(**{name: getattr(market, name) for name in names})

    def environment(self, num_envs: int, **more: Any) -> PricingVectorEnv:
        """The task's markets side by side.

        Args:
            num_envs: N.
            more: keyword arguments in place of the task's.
        """
        given = {"autoreset_mode": AutoresetMode.SAME_STEP, **self.keywords(), **more}
        return PricingVectorEnv(num_envs, **given)

    def digest_parts(self) -> dict[str, Any]:
        """All of the task that results depend on, as JSON: its names, law and followers."""
        settings = self.settings()
        followers = self.arguments.get("followers", settings.scenario.followers)
        return {
            **self.as_json(),
            "law": described(settings),
            "followers": described(scripted.resolve(followers)),
        }

    def digest(self, *more: Any) -> str:
        """Digest of the task, the code of the rules, the package's version, and more JSON."""
        return digest([self.digest_parts(), code_digest(), aigc_market.__version__, *more])
