"""One provider's view of many markets at once: a Gymnasium vector environment."""

from __future__ import annotations

from typing import Any, ClassVar

from gymnasium.vector import AutoresetMode

from aigc_market.envs.batch import LeaderVectorEnv
from aigc_market.envs.competition import Benchmarked, CompetitionGame
from aigc_market.envs.game import Game


class RivalVectorEnv(Benchmarked, LeaderVectorEnv):
    """N games of one provider among several, played as arrays (Gymnasium vector).

    ## Description

    A batch of `RivalEnv`, without a loop over environments, providers or followers. All games begin
    and end together, and all draws come from one generator. What is the same in all games and
    rounds is read-only.

    ## Arguments

    Those of `RivalEnv`, and

    | name | default | unit | meaning |
    |---|---|---|---|
    | `num_envs` | 1 | | N, how many games |
    | `autoreset_mode` | "NextStep" | | Gymnasium's `AutoresetMode`, or its value, see End |
    | `copy` | True | | False: arrays handed out may be views that the next step writes over |

    The id sets `normalize=True` and `scale_rewards=True` here too. With `judged=False` infos leave
    out what Nash equilibrium and cartel say, and the method `judgement()` computes it for the round
    just played.

    ## Actions

    A price for each game.

    Shape (N, 1), or (N,) where `continuous_actions=False`.

    ## Observations

    What the provider sees in each game, shape (N, n·(M + K)) in the plain case.

    ## Rewards

    What the provider earns in each game.

    Shape (N,), float64.

    ## Infos

    What the provider is told in each game, with N in front: `rival_prices` has shape (N, M − 1).

    Gymnasium's mask `_name`, (N,) bool, stands beside each: here it is always True.

    ## Start

    A market is drawn for each game. An option of `reset` has one value for all games, or N.

    An equal seed gives other markets than under `vectorization_mode="sync"`, though of the same
    law: there each game has a generator of its own.

    ## End

    All games are truncated together, after `max_cycles` rounds. `autoreset_mode` says what follows.

    ## Version history

    * v0: first release. From version 0.2.0 of the package on the id is in a learner's units.
    """

    game_class: ClassVar[type[Game]] = CompetitionGame

    def __init__(
        self,
        num_envs: int = 1,
        seat: int = 0,
        rivals: Any = "nash",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        **arguments: Any,
    ) -> None:
        super().__init__(num_envs, seat, rivals, autoreset_mode, copy, arguments)
