"""The ASP's view: a Gymnasium environment with scripted VMUs."""

from __future__ import annotations

from typing import Any, ClassVar

from aigc_market.envs.batch import LeaderEnv
from aigc_market.envs.game import Game
from aigc_market.envs.stackelberg import Equilibrated, Stackelberg


class PricingEnv(Equilibrated, LeaderEnv):
    """The leader's view of the game, with scripted followers (Gymnasium).

    ## Description

    One action is one round: the leader (the provider, ASP) posts a price of a diffusion step, and
    the followers (the vehicular users, VMUs) buy at it. Followers are scripted: by default they buy
    what is best for them. `aigc_market.raw_env` describes the game. Its exact equilibrium is at
    hand as `env.unwrapped.equilibrium`.

    ## Arguments

    Those that `aigc_market.raw_env` describes, but that followers have to be scripted:

    | name | default | unit | meaning |
    |---|---|---|---|
    | `followers` | None | | a policy or its name; None: the scenario's own |

    `gymnasium.make("aigc_market/Pricing-v0")` and `make_vec` set `normalize=True` and
    `scale_rewards=True`: actions in [−1, 1], observations in [0, 1] and rewards near 1, as most
    learners want them. Both are False by default in the class `PricingEnv`. Scripted followers are
    those of `aigc_market.followers`: "best_response" in the scenario `paper`, "noisy" in `hidden`.

    ## Actions

    A price: `Box(cost, max_price, (1,), float32)`.

    `Box(-1, 1, (1,), float32)` where `normalize=True`; `Discrete(96)` where
    `continuous_actions=False`.

    ## Observations

    The last n rounds, oldest first, each (p, S_1 … S_K): `Box` of shape (n·(K+1),) (Eq. 16), and
    more where there is a capacity or followers come and go, see `aigc_market.raw_env`.

    ## Rewards

    U_p = (p − c)·ΣS_k of the round (Eq. 6), divided by U_p* where `scale_rewards=True`.

    Scaled rewards are 1 at equilibrium play; where markets are drawn or move, on average.

    ## Infos

    The leader's of `aigc_market.raw_env`, of the market in which the round was played.

    ## Start

    A new market is drawn, as far as there are laws to draw it from; the history is empty.

    ## End

    Truncated after `max_cycles` rounds, never terminated.

    ## Version history

    * v0: first release. From version 0.2.0 of the package on the id is in a learner's units.
    """

    game_class: ClassVar[type[Game]] = Stackelberg

    def __init__(self, **arguments: Any) -> None:
        super().__init__(0, None, arguments)
