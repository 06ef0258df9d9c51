"""The parallel environment: VMUs choose from the menu in force while the ASP posts the next one."""

from __future__ import annotations

from typing import Any, ClassVar

from aigc_market.envs.game import Game
from aigc_market.envs.menus import Contracted, MenuGame
from aigc_market.envs.settings import RENDER_FPS, RENDER_MODES
from aigc_market.envs.simultaneous import SimultaneousEnv


class parallel_env(Contracted, SimultaneousEnv):  # noqa: N801 (PettingZoo's name)
    """All agents move at once, and nobody's observation is stale (PettingZoo parallel).

    ## Description

    The moves of the AEC game of contracts, `aigc_market.menus_v0.raw_env`, in the same order, in
    other groups: a first menu is posted at reset; in step t all followers (VMUs) choose from the
    menu in force while the leader (ASP) posts that of step t + 1. Where followers are scripted they
    choose within the step.

    ## Arguments

    Those that `aigc_market.menus_v0.raw_env` describes.

    ## Actions

    As `aigc_market.menus_v0.raw_env` describes them.

    Where followers are agents a menu takes force in the next step, and the last one is never
    played.

    ## Observations

    As `aigc_market.menus_v0.raw_env` describes them; where followers are agents the leader sees the
    menu in force before the rounds:

    | agent | field | numbers | unit | meaning |
    |---|---|---|---|---|
    | leader, in front | `steps_1` … `fee_L` | 2L | steps, money | the menu in force |

    ## Rewards

    As `aigc_market.menus_v0.raw_env` describes them, of the round that the step settles.

    Where followers are agents a menu is paid one step later: a learner needs a discount factor
    above 0, or to shift rewards by one step.

    ## Infos

    As `aigc_market.menus_v0.raw_env` describes them, of the round that the step settles.

    ## Start

    Where followers are agents the first menu is drawn, or is `options["menu"]`, (L, 2).

    ## End

    After `max_cycles` steps all agents are truncated; none is ever terminated. Every agent is in
    every dict up to and with the last step.

    ## Version history

    * v0: first release.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (PettingZoo's type)
        "name": "menus_v0",
        "render_modes": RENDER_MODES,
        "render_fps": RENDER_FPS,
        "is_parallelizable": False,
    }
    game_class: ClassVar[type[Game]] = MenuGame
