"""Tables of an environment's page: numbers by the code, units and meanings by the docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

import numpy as np
import pettingzoo
from gymnasium.spaces import Box
from gymnasium.vector import VectorEnv

from aigc_market.envs.game import Game

FULL = {
    "stackelberg_v0": {"scenario": "crowd", "capacity": 100.0},
    "competition_v0": {"scenario": "hidden", "capacity": 100.0},
    "menus_v0": {"scenario": "hidden"},
}
"""Arguments with which agents see all that they ever see, by the name of the game."""
TABULAR = ("Arguments", "Actions", "Observations", "Rewards", "Infos")
"""Sections whose first paragraph, or table, says what the table of the page does."""
LEADERS, FOLLOWERS = ("leader", "provider"), ("follower", "VMU")

Row = Sequence[str]


def sections(docstring: str) -> dict[str, str]:
    """What stands below each heading."""
    _, *parts = re.split(r"^## (.+)\n", docstring, flags=re.MULTILINE)
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


def notes(text: str) -> str:
    """What a section says beside what the table of its page does."""
    described, _, rest = text.partition("\n\n")
    if described.endswith(":") or described.endswith(", and"):  # a table continues it
        described, _, rest = rest.partition("\n\n")
    return rest


def markdown(header: Row, rows: Sequence[Row]) -> str:
    """A table without columns that are empty."""
    kept = [i for i in range(len(header)) if any(row[i] for row in rows)]
    lines = [[line[i] for i in kept] for line in (header, ["---"] * len(header), *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


class Tables:
    """Of one environment.

    Args:
        env: the environment.
        documented: its class and those whose docstrings its own refers to, nearest first.
        by_id: arguments that its id sets.
    """

    def __init__(self, env: Any, documented: Sequence[type], by_id: dict[str, Any]) -> None:
        self._env, self._by_id = env, by_id
        self._settings = getattr(env, "unwrapped", env).settings
        games = [getattr(one, "game_class", None) for one in documented]
        self._game_class: Any = next(filter(None, games))
        same = (None, self._game_class)  # others are referred to for laws alone
        self._classes = [x for x, game in zip(documented, games, strict=True) if game in same]
        agents = [a for a in getattr(env, "possible_agents", []) if a.startswith("vmu")]
        self._roles = LEADERS + FOLLOWERS * bool(agents or hasattr(env, "group_map"))
        self._in_force = not isinstance(env, pettingzoo.AECEnv) and len(self._roles) > 2
        market = self._settings.market
        self._sizes = {"K": market.K, "M": getattr(market, "M", 1), "n": self._settings.history}
        self._sizes["L"] = getattr(self._settings, "contracts", 0)

    def __getitem__(self, section: str) -> str:
        return getattr(self, f"_{section.lower()}")()

    def _described(self, section: str) -> list[Row]:
        """Rows of the docstrings, nearest first, of the roles that are agents."""
        rows: list[Row] = []
        for documented in self._classes:
            text = sections(inspect.getdoc(documented) or "").get(section, "")
            for table in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
                lines = [[cell.strip() for cell in x[1:-1].split("|")] for x in table.splitlines()]
                if lines[0][0] in ("name", "agent"):
                    rows += lines[2:]
        everyone = section == "Arguments"
        return [row for row in rows if everyone or row[0].partition(",")[0] in self._roles]

    def _arguments(self) -> str:
        rows = {row[0]: row for row in reversed(self._described("Arguments"))}
        made = []
        for name, default in self._defaults():
            _, said, unit, meaning = rows[f"`{name}`"]
            if said != (actual := _written(default)):
                raise ValueError(f"{name} is said to be {said} by default, and is {actual}")
            shown = _written(self._by_id.get(name, default))
            made.append((f"`{name}`", f"`{shown}`", unit, meaning))
        return markdown(("name", "default", "unit", "meaning"), made)

    def _defaults(self) -> Iterator[tuple[str, Any]]:
        """Names and defaults: of the class itself, then of its market and settings."""
        own = inspect.signature(self._classes[0].__init__).parameters.values()
        for parameter in own:
            if parameter.name != "self" and parameter.kind is not parameter.VAR_KEYWORD:
                yield parameter.name, parameter.default
        settings = type(self._settings)
        of_market = inspect.signature(settings.market_class).parameters
        fields = {field.name: field.default for field in dataclasses.fields(settings)}
        for name in settings.names():
            default = of_market[name].default if name in of_market else fields[name]
            yield name, None if default is dataclasses.MISSING else default

    def _game(self, **arguments: Any) -> Any:
        """The game in physical units."""
        sizes = {name: self._sizes[name] for name in ("M", "K") if name in self._settings.names()}
        made = self._game_class.settings_class.make(**sizes | arguments)
        game: Game = self._game_class(made, scripted=len(self._roles) == 2)
        return game

    def _value(self, symbols: str) -> Any:
        """What symbols such as 2L or (K,) stand for."""
        arithmetic = re.sub(r"(\d)([A-Z])", r"\1*\2", symbols.replace("−", "-"))
        return eval(arithmetic, {}, self._sizes)

    def _check(self, symbols: str, actual: Any, what: str) -> None:
        """Compare what a docstring says with what is.

        Raises:
            ValueError: they differ.
        """
        if self._value(symbols) != actual:
            raise ValueError(f"{what} is said to have {symbols} numbers, and has {actual}")

    def _actions(self) -> str:
        game, made = self._game(), []
        described = self._described("Actions")
        for who in dict.fromkeys(row[0] for row in described):
            space = game.prices[0].space if who in LEADERS else game.make_choice_space()
            rows = [row for row in described if row[0] == who]
            if isinstance(space, Box):
                low, high = space.low.tolist(), space.high.tolist()
            else:
                low, high = [0], [space.n - 1]
            self._check("+".join(row[2] for row in rows), len(low), f"an action of a {who}")
            for _, action, symbols, unit, meaning in rows:
                count = self._value(symbols)
                bounds = _bounds(zip(low[:count], high[:count], strict=True))
                low, high = low[count:], high[count:]
                made.append((who, action, symbols, bounds, unit, meaning))
        return markdown(("agent", "action", "numbers", "bounds", "unit", "meaning"), made)

    def _observations(self) -> str:
        """Fields of the game with all that is ever seen, and the bounds of those seen here."""
        full, game = self._game(**FULL[self._game_class.name]), self._game()
        described = self._described("Observations")
        made: dict[tuple[str, str], Row] = {}
        for who in dict.fromkeys(row[0].partition(",")[0] for row in described):
            for place in ("in front", "each round"):
                seen, here = (self._fields(of, who, place) for of in (full, game))
                rows = [row for row in described if row[0] == f"{who}, {place}"]
                for name in seen:
                    agent, cell, symbols, *said = next(r for r in rows if _names(r[1], name))
                    fields = [field for other, field in here.items() if _names(cell, other)]
                    if fields:
                        self._check(symbols, sum(field.width for field in fields), cell)
                    bounds = _bounds((field.low, field.high) for field in fields)
                    made[agent, cell] = agent, cell, symbols, bounds, *said
        header = "agent", "field", "numbers", "bounds", "unit", "meaning"
        lines = [markdown(header, list(made.values())), ""]
        for who in dict.fromkeys(row[0].partition(",")[0] for row in described):
            front, row = (
                sum(field.width for field in self._fields(game, who, place).values())
                for place in ("in front", "each round")
            )
            n = self._sizes["n"]
            lines.append(
                f"A {who} sees {front + n * row} numbers here: {front} in front, then n = {n} "
                f"rounds of {row}, oldest first."
            )
        return "\n".join(lines)

    def _fields(self, game: Any, who: str, place: str) -> dict[str, Any]:
        viewer = game.follower
        if who in LEADERS:
            viewer = game.leader_in_force if self._in_force else game.leader
        return {f.name: f for f in (viewer.front if place == "in front" else viewer.row)}

    def _rewards(self) -> str:
        header = "agent", "reward", "divided by, where `scale_rewards=True`"
        return markdown(header, self._described("Rewards"))

    def _infos(self) -> str:
        told, made = self._told(), []
        lanes = getattr(self._env, "num_envs", None)
        described = self._described("Infos")
        for who, name, shape, unit, meaning in described:
            value = told.pop((who in LEADERS, name.strip("`")), None)
            if value is None and ", where" not in meaning:
                raise ValueError(f"{name} is said to be told to a {who}, and is not")
            kind = ""
            if value is not None:
                array = isinstance(value, np.ndarray)
                kind = value.dtype.name if array else type(value).__name__
                self._check(shape or "()", np.shape(value)[lanes is not None :], name)
            if lanes is not None:
                shape = f"(N, {shape[1:]}".replace(",)", ")") if shape else "(N,)"
            made.append((who, name, f"{kind} {shape}".strip(), unit, meaning))
        if told:
            raise ValueError(f"infos that no docstring describes: {sorted(told)}")
        return markdown(("agent", "info", "type", "unit", "meaning"), made)

    def _told(self) -> dict[tuple[bool, str], Any]:
        """What the first round tells leaders (True) and followers, by name."""
        env = self._env
        env.reset(seed=0)
        if isinstance(env, pettingzoo.AECEnv):
            for agent in env.possible_agents:
                env.step(env.action_space(agent).sample())
            infos = env.unwrapped.infos
        elif isinstance(env, pettingzoo.ParallelEnv):
            actions = {agent: env.action_space(agent).sample() for agent in env.agents}
            infos = env.step(actions)[-1]
        else:
            infos = {"asp_0": env.step(env.action_space.sample())[-1]}
        return {
            (agent == "asp_0", name): value
            for agent in ("asp_0", "vmu_0")
            for name, value in infos.get(agent, {}).items()
            if not (isinstance(env, VectorEnv) and name.startswith("_"))
        }


def _names(cell: str, field: str) -> bool:
    """Whether a row's cell names a field; `a_1` … `b_L` names those of each contract."""
    named = re.findall(r"`(\w+)`", cell)
    if "…" in cell:
        return field.startswith(tuple(name[:-1] for name in named))
    return field in named


def _written(default: Any) -> str:
    if default is inspect.Parameter.empty:
        return "required"
    return repr(default.value if isinstance(default, Enum) else default).replace("'", '"')


def _bounds(ends: Any) -> str:
    return ", ".join(dict.fromkeys(f"[{low:,.7g}, {high:,.7g}]" for low, high in ends))
