"""The pages of the environments, in the order of Farama's: picture, spec, usage, docstring."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import gymnasium
import numpy as np
import pettingzoo
from gymnasium.spaces import Box, Space

from aigc_market.envs.batch import LeaderVectorEnv

sys.path.append(str(Path(__file__).parent))
from environment_tables import TABULAR, Tables, notes, sections

RANDOM_AEC = """\
env.reset(seed=0)
for agent in env.agent_iter():
    observation, reward, terminated, truncated, info = env.last()
    if terminated or truncated:
        action = None
    else:
        action = env.action_space(agent).sample()  # your policies go here
    env.step(action)
env.close()"""
RANDOM_PARALLEL = """\
observations, infos = env.reset(seed=0)
while env.agents:
    actions = {agent: env.action_space(agent).sample() for agent in env.agents}  # your policies
    observations, rewards, terminated, truncated, infos = env.step(actions)
env.close()"""
RANDOM_SINGLE = """\
observation, info = env.reset(seed=0)
over = False
while not over:
    action = env.action_space.sample()  # your policy goes here
    observation, reward, terminated, truncated, info = env.step(action)
    over = terminated or truncated
print({told})
env.close()"""
RANDOM_VECTOR = """\
observations, infos = env.reset(seed=0)
for _ in range(100):
    actions = env.action_space.sample()  # your policy goes here
    observations, rewards, terminated, truncated, infos = env.step(actions)
print(rewards.shape)  # (4096,)
env.close()"""
PHYSICAL = (
    "**Units.** Actions, observations and rewards are prices, steps and money, and each agent has "
    "its own. `normalize=True` gives actions in [−1, 1] and observations in [0, 1], "
    "`scale_rewards=True` gives rewards near 1. Most learners need both."
)
SCALED = (
    "**Units.** Actions lie in [−1, 1], observations in [0, 1], and rewards are near 1, as most "
    "learners want them. Tables show prices, steps and money, which `normalize=False, "
    "scale_rewards=False` gives; infos and the options of `reset` have these units in either case."
)
ONE = "render.gif", "A leader posts prices on a road; vehicles buy steps for their images."
TEN = "render-10.png", "A leader and ten vehicles, which ask for more than it has."
SEVERAL = "competition-frame.png", "Three providers and eight vehicles, after forty rounds."
BY_CONTRACT = (
    "menu-frame.png",
    "Three contracts of a leader, who takes them, and the best menu as rings.",
)


@dataclass(frozen=True)
class Page:
    """What a page shows beside the docstring of its environment."""

    title: str
    documented: str
    """What has the docstring, as "module:name"."""
    make: str
    usage: str
    picture: tuple[str, str]
    """File in docs/images, and caption."""
    imports: str = "import aigc_market"
    other: str = ""
    """Another way to make it."""
    relatives: tuple[str, ...] = ()
    """Pages of those that its docstring refers to, nearest first."""
    tables: tuple[str, ...] = TABULAR
    """Sections that have a table made for them."""

    @property
    def described(self) -> Any:
        """The class that has the docstring."""
        return resolve_name(self.documented)

    def text(self) -> str:
        """The page, in Markdown."""
        module = self.make.split(".")[0]  # "MarketEnv(…" has none
        imports = [f"import {module}"] * module.isidentifier() + [self.imports]
        names: dict[str, Any] = {}
        exec("\n".join([*imports, f"env = {self.make}"]), names)
        env = names["env"]
        documented = inspect.getdoc(self.described) or ""
        image, caption = self.picture
        rows = [("Import", f"`{self.imports}`"), ("Make", f"`{self.make}`")]
        rows += [("or", f"`{self.other}`")] * bool(self.other)
        rows += spec(env)
        text = "\n".join(
            [
                f"# {self.title}",
                "",
                documented.partition("\n\n")[0],
                "",
                f"```{{figure}} ../images/{image}",
                f":alt: {caption}",
                "",
                f"{caption} [How it was made](../rendering.md)",
                "```",
                "",
                "|  |  |",
                "|---|---|",
                *(f"| {name} | {value} |" for name, value in rows),
                "",
                SCALED if settings_of(env).normalize else PHYSICAL,
                "",
                "See the [glossary](../glossary.md) for words and [scenarios](../scenarios.md) for "
                "markets.",
                "",
                "## Usage",
                "",
                "```python",
                *imports,
                "",
                f"env = {self.make}",
                self.usage,
                "```",
                "",
                *self._sections(env, documented),
            ]
        )
        env.close()
        return self._linked(text)

    def _sections(self, env: Any, documented: str) -> Iterator[str]:
        """Those of the docstring, with tables in place of what they say in words."""
        spec = getattr(env, "spec", None)
        by_id = gymnasium.spec(spec.id).kwargs if spec else {}
        known = [self.described, *(PAGES[name].described for name in self.relatives)]
        tables = Tables(env, known, by_id)
        for name, said in sections(documented).items():
            parts = [tables[name], notes(said)] if name in self.tables else [said]
            if name == "Arguments" and "raw_env" not in self.documented:
                parts.append(f"[More on arguments and laws]({self.relatives[-1]}.md#arguments)")
            if name == "Start":
                options = ", ".join(f"`{option}`" for option in settings_of(env).options)
                parts.append(f"Options of `reset`, for one episode, in physical units: {options}.")
            if name == "End" and isinstance(env, gymnasium.vector.VectorEnv):
                modes = inspect.getdoc(LeaderVectorEnv.autoreset_mode) or ""
                parts.append("\n".join(x for x in modes.splitlines() if x.startswith("|")))
            yield f"## {name}\n"
            yield "\n\n".join(filter(None, parts)) + "\n"

    def _linked(self, text: str) -> str:
        """Classes that a docstring refers to lead to their pages."""
        for name in self.relatives:
            page = PAGES[name]
            module, _, known = page.documented.partition(":")
            said = f"{module}.{known}" if module.count(".") < 2 else known
            text = re.sub(rf"(?<!\[)`{re.escape(said)}`", f"[`{said}`]({name}.md)", text)
        return text


def spec(env: Any) -> Iterator[tuple[str, str]]:
    """Rows of the table: what the environment that was made says of itself."""
    if isinstance(env, pettingzoo.AECEnv | pettingzoo.ParallelEnv):
        yield "Agents", ", ".join(f"`{agent}`" for agent in env.possible_agents)
        for agent in ("asp_0", "vmu_0"):
            yield f"Action space, `{agent}`", shown(env.action_space(agent))
            yield f"Observation space, `{agent}`", shown(env.observation_space(agent))
        yield "State", shown(env.state_space)  # type: ignore[attr-defined]
        in_turn = isinstance(env, pettingzoo.AECEnv)
        yield "API", "AEC: agents act in turns" if in_turn else "parallel: all act at once"
    elif isinstance(env, gymnasium.vector.VectorEnv | gymnasium.Env):
        many = isinstance(env, gymnasium.vector.VectorEnv)
        others = f", in {env.num_envs:,} environments" if many else "; all others are scripted"
        yield "Agents", f"`asp_0`{others}"
        yield "Action space", shown(env.action_space)
        yield "Observation space", shown(env.observation_space)
        if many:
            yield "Autoreset", f"`{env.metadata['autoreset_mode']}`"
    else:
        groups = (
            f"`{group}`: {', '.join(f'`{agent}`' for agent in agents)}"
            for group, agents in env.group_map.items()
        )
        yield "Agents", "; ".join(groups)
        for kind, specs in (
            ("Action", env.full_action_spec),
            ("Observation", env.full_observation_spec),
            ("Reward", env.full_reward_spec),
        ):
            for key, leaf in specs.items(include_nested=True, leaves_only=True):
                named = key if isinstance(key, str) else ", ".join(key)
                yield f"{kind} `{named}`", f"{tuple(leaf.shape)}, {leaf.dtype}"
    yield "Rounds of an episode", f"`max_cycles={settings_of(env).max_cycles}`"
    yield "Deterministic", "yes: all that is random follows from the seed"
    modes = getattr(env, "metadata", {}).get("render_modes", [])
    yield "Render modes", ", ".join(f'`"{mode}"`' for mode in modes) or "none"


def shown(space: Space) -> str:
    """A space in one line; where bounds differ, the least and the greatest of them."""
    if not isinstance(space, Box):
        return f"`{space}`"
    low, high = np.min(space.low), np.max(space.high)
    same = np.all(space.low == low) and np.all(space.high == high)
    box = f"`Box({low:g}, {high:g}, {space.shape}, {space.dtype})`"
    return box if same else f"{box}, bounds differ by entry"


def settings_of(env: Any) -> Any:
    """What an environment was made with."""
    return getattr(env, "unwrapped", env).settings


def both_apis(
    game: str, titles: tuple[str, str], sizes: str, picture: tuple[str, str]
) -> dict[str, Page]:
    """The pages of a game whose agents act in turns, and of one where they act at once."""
    module, prefix = f"aigc_market.{game}_v0", f"{game}-"
    if game == "stackelberg":
        module, prefix = "aigc_market", ""
    turns = f"{prefix}aec"
    return {
        turns: Page(
            f"{titles[0]}: `aigc_market/{game}-v0`",
            f"{module}:raw_env",
            f'pettingzoo.make("aec", "aigc_market/{game}-v0", {sizes})',
            RANDOM_AEC,
            picture,
            other=f"{module}.env({sizes})",
            relatives=("aec",) if prefix else (),
        ),
        f"{prefix}parallel": Page(
            f"{titles[1]}: `aigc_market/{game}-v0`",
            f"{module}:parallel_env",
            f'pettingzoo.make("parallel", "aigc_market/{game}-v0", {sizes})',
            RANDOM_PARALLEL,
            picture,
            other=f"{module}.parallel_env({sizes})",
            relatives=(turns,),
        ),
    }


PAGES = {
    **both_apis("stackelberg", ("AEC", "Parallel"), "K=2", ONE),
    "pricing": Page(
        "Single agent: `aigc_market/Pricing-v0`",
        "aigc_market.envs.pages.single:PricingEnv",
        'gymnasium.make("aigc_market/Pricing-v0", K=2)',
        RANDOM_SINGLE.format(told='info["price"], info["equilibrium_price"], info["regret"]'),
        TEN,
        relatives=("aec",),
    ),
    "vector": Page(
        "Vector: `aigc_market/Pricing-v0`",
        "aigc_market.envs.pages.vector:PricingVectorEnv",
        'gymnasium.make_vec("aigc_market/Pricing-v0", num_envs=4096, K=2)',
        RANDOM_VECTOR,
        TEN,
        relatives=("pricing", "aec"),
    ),
    "tensors": Page(
        "Tensors: `MarketEnv`",
        "aigc_market.torchrl:MarketEnv",
        "MarketEnv(num_envs=4096, K=2, seed=0)",
        'rounds = env.rollout(20)  # random play\nprint(rounds["next", "asp", "reward"].mean())',
        ONE,
        imports="from aigc_market.torchrl import MarketEnv",
        relatives=("parallel", "aec"),
        tables=TABULAR[:-1],  # it tells nothing by default
    ),
    **both_apis(
        "competition",
        ("Several providers, AEC", "Several providers, parallel"),
        "M=2, K=2",
        SEVERAL,
    ),
    "rival": Page(
        "One among several providers: `aigc_market/Rival-v0`",
        "aigc_market.envs.pages.rival:RivalEnv",
        'gymnasium.make("aigc_market/Rival-v0", M=2, K=2, rivals="tit_for_tat")',
        RANDOM_SINGLE.format(told='info["price"], info["nash_price"], info["profit_gain"]'),
        SEVERAL,
        relatives=("competition-aec",),
    ),
    "rival-vector": Page(
        "Vector: `aigc_market/Rival-v0`",
        "aigc_market.envs.pages.rival_vector:RivalVectorEnv",
        'gymnasium.make_vec("aigc_market/Rival-v0", num_envs=4096, M=2, K=2)',
        RANDOM_VECTOR,
        SEVERAL,
        relatives=("rival", "competition-aec"),
    ),
    **both_apis("menus", ("By contract, AEC", "By contract, parallel"), "K=2", BY_CONTRACT),
    "menu": Page(
        "By contract, single agent: `aigc_market/Menu-v0`",
        "aigc_market.envs.pages.menu:MenuEnv",
        'gymnasium.make("aigc_market/Menu-v0", K=2)',
        RANDOM_SINGLE.format(told='info["menu"], info["taken"], info["regret"]'),
        BY_CONTRACT,
        relatives=("menus-aec",),
    ),
    "menu-vector": Page(
        "By contract, vector: `aigc_market/Menu-v0`",
        "aigc_market.envs.pages.menu_vector:MenuVectorEnv",
        'gymnasium.make_vec("aigc_market/Menu-v0", num_envs=4096, K=2)',
        RANDOM_VECTOR,
        BY_CONTRACT,
        relatives=("menu", "menus-aec"),
    ),
}
"""By the name of the file in docs/environments."""


def write(folder: Path) -> None:
    """Write the pages that changed."""
    folder.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        path, text = folder / f"{name}.md", page.text()
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
