"""The parallel environment: VMUs answer the price in force while the ASP posts the next one."""

from __future__ import annotations

from typing import Any, ClassVar

from aigc_market.envs.game import Game
from aigc_market.envs.settings import RENDER_FPS, RENDER_MODES
from aigc_market.envs.simultaneous import SimultaneousEnv
from aigc_market.envs.stackelberg import Equilibrated, Stackelberg


class parallel_env(Equilibrated, SimultaneousEnv):  # noqa: N801 (PettingZoo's name)
    """All agents move at once, and nobody's observation is stale (PettingZoo parallel).

    ## Description

    The moves of the AEC game, `aigc_market.raw_env`, in the same order (the leader ASP, the
    followers VMUs, the ASP, the VMUs, …), in other groups. A first price is posted at reset. In
    step t all followers answer the price in force, p_t, while the leader posts the next one,
    p_{t+1}. PettingZoo's own conversion would make followers answer a price that they have not
    seen.

    ## Arguments

    Those that `aigc_market.raw_env` describes.

    ## Actions

    As `aigc_market.raw_env` describes them.

    The leader's price takes force in the next step; its last one is never played.

    ## Observations

    As `aigc_market.raw_env` describes them, and the leader sees the price in force before the
    rounds:

    | agent | field | numbers | unit | meaning |
    |---|---|---|---|---|
    | leader, in front | `price` | 1 | money a step | the price in force, answered now |

    ## Rewards

    As `aigc_market.raw_env` describes them, of the round (p_t, S_t) that the step settles.

    A leader's price is paid one step later: a learner needs a discount factor above 0, or to shift
    rewards by one step.

    ## Infos

    As `aigc_market.raw_env` describes them, of the round that the step settles.

    ## Start

    The first price is drawn uniformly, or is `options["price"]`.

    ## End

    After `max_cycles` steps all agents are truncated; none is ever terminated. Every agent is in
    every dict up to and with the last step.

    ## Version history

    * v0: first release.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (PettingZoo's type)
        "name": "stackelberg_v0",
        "render_modes": RENDER_MODES,
        "render_fps": RENDER_FPS,
        "is_parallelizable": False,
    }
    game_class: ClassVar[type[Game]] = Stackelberg
