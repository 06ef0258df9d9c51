"""The ASP's view of many markets at once: a Gymnasium vector environment with scripted VMUs."""

from __future__ import annotations

from typing import Any, ClassVar

from gymnasium.vector import AutoresetMode

from aigc_market.envs.batch import LeaderVectorEnv
from aigc_market.envs.game import Game
from aigc_market.envs.stackelberg import Equilibrated, Stackelberg


class PricingVectorEnv(Equilibrated, LeaderVectorEnv):
    """N leaders' games side by side, played as arrays (Gymnasium vector).

    ## Description

    A batch of `PricingEnv`, without a loop over environments or followers. All games begin and end
    together, and all draws come from one generator. What is the same in all games and rounds
    (masks, and p* of a market that is fixed) is read-only.

    ## Arguments

    As for `PricingEnv`, and

    * `num_envs=1`: N, how many games.
    * `copy=True`: whether arrays that are handed out are the caller's own; with False they may be
      views that the next step writes over.

    Where the market moves, what `judged=True` tells costs more than the round itself. With
    `judged=False` the method `judgement()` computes it for the round just played.

    * `autoreset_mode="NextStep"`: Gymnasium's `AutoresetMode`, or its value; see below.

    The id sets `normalize=True` and `scale_rewards=True` here too, see `PricingEnv`.

    ## Actions

    Those of `PricingEnv`, one for each game: shape (N, 1), or (N,) where
    `continuous_actions=False`.

    ## Observations

    Those of `PricingEnv`, shape (N, n·(K+1)) in the plain case.

    ## Rewards

    Those of `PricingEnv`, shape (N,), float64.

    ## Infos

    Those of `PricingEnv`, an array each with N in front: `demand` has shape (N, K).

    ## Start

    A market is drawn for each game. An option of `reset` has one value for all games, or N.

    ## End

    All games are truncated together, after `max_cycles` rounds. What follows is Gymnasium's
    `autoreset_mode`. In `NEXT_STEP` the next call of `step` ignores the actions, begins the next
    episodes and pays 0. In `SAME_STEP` the step that ends the episodes does so, and returns the
    first observations; the last ones of the old episodes stand in `infos["final_obs"]`, and their
    infos in `infos["final_info"]`. In `DISABLED` a call of `reset` has to follow.

    ## Version history

    * v0: first release. From version 0.2.0 of the package on the id is in a learner's units.
    """

    game_class: ClassVar[type[Game]] = Stackelberg

    def __init__(
        self,
        num_envs: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        **arguments: Any,
    ) -> None:
        super().__init__(num_envs, 0, None, autoreset_mode, copy, arguments)
