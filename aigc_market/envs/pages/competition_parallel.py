"""The parallel environment: VMUs answer the prices in force while providers post the next ones."""

from __future__ import annotations

from typing import Any, ClassVar

from aigc_market.envs.competition import Benchmarked, CompetitionGame
from aigc_market.envs.game import Game
from aigc_market.envs.settings import RENDER_FPS, RENDER_MODES
from aigc_market.envs.simultaneous import SimultaneousEnv


class parallel_env(Benchmarked, SimultaneousEnv):  # noqa: N801 (PettingZoo's name)
    """All agents move at once, and nobody's observation is stale (PettingZoo parallel).

    ## Description

    The moves of the AEC game of several providers, `aigc_market.competition_v0.raw_env`, in the
    same order, in other groups. Where the users (VMUs) are agents, first prices are posted at
    reset; in step t all VMUs answer the prices in force while the providers (ASPs) post those of
    step t + 1. Where VMUs are scripted they answer within the step.

    ## Arguments

    Those that `aigc_market.competition_v0.raw_env` describes.

    ## Actions

    As `aigc_market.competition_v0.raw_env` describes them.

    Where VMUs are agents prices take force in the next step, and the last ones are never played.

    ## Observations

    As `aigc_market.competition_v0.raw_env` describes them; where VMUs are agents a provider sees
    the prices in force before the rounds:

    | agent | field | numbers | unit | meaning |
    |---|---|---|---|---|
    | provider, in front | `prices` | M | money a step | the prices in force, its own first |

    ## Rewards

    As `aigc_market.competition_v0.raw_env` describes them, of the round that the step settles.

    Where VMUs are agents a price is paid one step later: a learner needs a discount factor above 0,
    or to shift rewards by one step.

    ## Infos

    As `aigc_market.competition_v0.raw_env` describes them, of the round that the step settles.

    ## Start

    Where VMUs are agents the first prices are drawn, or are `options["price"]`: M numbers, or one
    for all.

    ## End

    After `max_cycles` steps all agents are truncated; none is ever terminated. Every agent is in
    every dict up to and with the last step.

    ## Version history

    * v0: first release.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (PettingZoo's type)
        "name": "competition_v0",
        "render_modes": RENDER_MODES,
        "render_fps": RENDER_FPS,
        "is_parallelizable": False,
    }
    game_class: ClassVar[type[Game]] = CompetitionGame
