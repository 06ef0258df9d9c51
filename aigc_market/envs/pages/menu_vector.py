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

    Those of `MenuEnv`, and

    | name | default | unit | meaning |
    |---|---|---|---|
    | `num_envs` | 1 | | N, how many games |
    | `autoreset_mode` | "NextStep" | | Gymnasium's `AutoresetMode`, or its value, see End |
    | `copy` | True | | False: arrays handed out may be views that the next step writes over |

    The id sets `normalize=True` and `scale_rewards=True` here too. With `judged=False` infos leave
    out what the best menu says, and the method `judgement()` computes it for the round just played.

    ## Actions

    A menu for each game.

    Shape (N, 2L).

    ## Observations

    What the leader sees in each game, shape (N, n·(2L + K)).

    ## Rewards

    What the leader earns in each game.

    Shape (N,), float64.

    ## Infos

    What the leader is told in each game, with N in front: `menu` has shape (N, L, 2).

    Gymnasium's mask `_name`, (N,) bool, stands beside each: here it is always True.

    ## Start

    A market is drawn for each game. An option of `reset` has one value for all games, or N.

    An equal seed gives other markets than under `vectorization_mode="sync"`, though of the same
    law: there each game has a generator of its own.

    ## End

    All games are truncated together, after `max_cycles` rounds. `autoreset_mode` says what follows.

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
