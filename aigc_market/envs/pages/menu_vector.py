"""The ASP's view of many markets at once, by contract: a Gymnasium vector environment."""

from __future__ import annotations

from typing import Any, ClassVar

from gymnasium.vector import AutoresetMode

from aigc_market.envs.batch import LeaderVectorEnv
from aigc_market.envs.game import Game
from aigc_market.envs.menus import Contracted, MenuGame


class MenuVectorEnv(Contracted, LeaderVectorEnv):
    """N leaders' games of contracts side by side, played as arrays (Gymnasium vector).

    ## Description

    A batch of `MenuEnv`, without a loop over environments or followers. All games begin and end
    together, and all draws come from one generator. What is the same in all games and rounds is
    read-only.

    ## Arguments

    As for `MenuEnv`, and

    * `num_envs=1`: N, how many games. With `judged=False` infos leave out what the best menu says,
      and the method `judgement()` computes it for the round just played.
    * `copy=True`: whether arrays that are handed out are the caller's own; with False they may be
      views that the next step writes over.
    * `autoreset_mode="NextStep"`: Gymnasium's `AutoresetMode`, or its value; see below.

    The id sets `normalize=True` and `scale_rewards=True` here too.

    ## Actions

    Those of `MenuEnv`, one for each game: shape (N, 2L).

    ## Observations

    Those of `MenuEnv`, shape (N, n·(2L + K)).

    ## Rewards

    Those of `MenuEnv`, shape (N,), float64.

    ## Infos

    Those of `MenuEnv`, an array each with N in front: `menu` has shape (N, L, 2).

    ## Start

    A market is drawn for each game. An option of `reset` has one value for all games, or N.

    ## End

    All games are truncated together, after `max_cycles` rounds. What follows is Gymnasium's
    `autoreset_mode`. In `NEXT_STEP` the next call of `step` ignores the actions, begins the next
    episodes and pays 0. In `SAME_STEP` the step that ends the episodes does so, and returns the
    first observations; the last ones of the old episodes stand in `infos["final_obs"]`, and their
    infos in `infos["final_info"]`. In `DISABLED` a call of `reset` has to follow.

    ## Version history

    * v0: first release.
    """

    game_class: ClassVar[type[Game]] = MenuGame

    def __init__(
        self,
        num_envs: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        **arguments: Any,
    ) -> None:
        super().__init__(num_envs, 0, None, autoreset_mode, copy, arguments)
