"""The ASP's view of the game of contracts: a Gymnasium environment with scripted VMUs."""

from __future__ import annotations

from typing import Any, ClassVar

from aigc_market.envs.batch import LeaderEnv
from aigc_market.envs.game import Game
from aigc_market.envs.menus import Contracted, MenuGame


class MenuEnv(Contracted, LeaderEnv):
    """The leader's view of the game of contracts, with scripted followers (Gymnasium).

    ## Description

    One action is one round: the leader (the provider, ASP) posts a menu of L contracts, each so
    many diffusion steps for such a fee, and each follower (vehicular user, VMU) takes one or none.
    Followers are scripted: by default they take what is best for them.
    `aigc_market.menus_v0.raw_env` describes the game. The exact best menu is at hand as
    `env.unwrapped.best_menu`.

    ## Arguments

    Those that `aigc_market.menus_v0.raw_env` describes, but that followers have to be scripted:

    | name | default | unit | meaning |
    |---|---|---|---|
    | `followers` | None | | a policy or its name; None: the scenario's own |

    `gymnasium.make("aigc_market/Menu-v0")` and `make_vec` set `normalize=True` and
    `scale_rewards=True`: actions in [−1, 1], observations in [0, 1] and rewards near 1, as most
    learners want them. Both are False by default in the class `MenuEnv`. Scripted followers are
    "best_response" in the scenario `paper` and "quantal" in `hidden`.

    ## Actions

    `Box((2L,), float32)`, contract by contract S_1, T_1, S_2, T_2, …: S in [0, S_max] and T in
    [0, F].

    All in [−1, 1] where `normalize=True`; `MultiDiscrete([S_max + 1, 96] * L)` where
    `continuous_actions=False`.

    ## Observations

    The last n rounds, oldest first, each (S_1, T_1, … S_L, T_L, what each follower took): `Box` of
    shape (n·(2L + K),). Rounds before the first are all 0.

    ## Rewards

    Σ_k (T − c·S) over what was taken in the round, divided by what the best menu earns where
    `scale_rewards=True`; it may be a loss.

    Scaled rewards are 1 for the best menu; where markets are drawn or move, on average.

    ## Infos

    The leader's of `aigc_market.menus_v0.raw_env`, of the market in which the round was played.

    ## Start

    A new market is drawn, as far as there are laws to draw it from; the history is empty.

    ## End

    Truncated after `max_cycles` rounds, never terminated.

    ## Version history

    * v0: first release.
    """

    game_class: ClassVar[type[Game]] = MenuGame

    def __init__(self, **arguments: Any) -> None:
        super().__init__(0, None, arguments)
