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

    As for `raw_env`, but that followers have to be scripted: `followers` is a policy or its name,
    see `aigc_market.followers`. By default the scenario says it: "best_response" in `paper`,
    "noisy" in `hidden`.

    `gymnasium.make("aigc_market/Pricing-v0")` and `make_vec` set `normalize=True` and
    `scale_rewards=True`: actions in [−1, 1], observations in [0, 1] and rewards near 1, as most
    learners want them. Both are False by default in this class.

    ## Actions

    `Box(cost, max_price, (1,), float32)`; `Box(-1, 1, (1,), float32)` where `normalize=True`;
    `Discrete(96)` where `continuous_actions=False`.

    ## Observations

    The last n rounds, oldest first, each (p, S_1 … S_K): `Box` of shape (n·(K+1),) (Eq. 16). Where
    followers come and go each is (p, S_1 … S_K, m_1 … m_K), m being who will answer the next price:
    shape (n·(2K+1),). Where there is a capacity R stands in front, and rows hold what was
    asked for.

    ## Rewards

    U_p = (p − c)·ΣS_k of the round (Eq. 6). `scale_rewards=True` divides it by a constant of the
    environment: U_p* of the market that the arguments describe, so that 1 is equilibrium play.
    Where markets are drawn, or move, it is the mean U_p* over their law at reset (of 256 draws of
    a fixed seed), so that 1 is equilibrium play on average.

    ## Infos

    `round, price, demand (K,), utility, equilibrium_price, equilibrium_utility, regret`, of the
    market in which the round was played; where followers come and go also `active (K,)`, who will
    answer the next price.

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
