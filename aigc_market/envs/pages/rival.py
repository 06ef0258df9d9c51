"""One provider's view among scripted rivals: a Gymnasium environment with scripted VMUs."""

from __future__ import annotations

from typing import Any, ClassVar

from aigc_market.envs.batch import LeaderEnv
from aigc_market.envs.competition import Benchmarked, CompetitionGame
from aigc_market.envs.game import Game


class RivalEnv(Benchmarked, LeaderEnv):
    """One provider's view of the game of several, with scripted rivals and followers (Gymnasium).

    ## Description

    One action is one round: the provider posts a price, its M − 1 rivals post theirs without seeing
    it, and the followers (the vehicular users, VMUs) spread their requests over all providers and
    buy. Rivals and followers are scripted. `aigc_market.competition_v0.raw_env` describes the game.
    With M = 1 and no outside option it is that of `Pricing-v0`.

    ## Arguments

    Those that `aigc_market.competition_v0.raw_env` describes, but that followers have to be
    scripted, and who the provider and its rivals are:

    | name | default | unit | meaning |
    |---|---|---|---|
    | `seat` | 0 | | which of the M providers is played |
    | `rivals` | "nash" | | a policy or its name for all rivals, or a list of M − 1 of them |
    | `followers` | None | | a policy or its name; None: the scenario's own |

    Rivals are listed in the order of the seats after the provider's own (m + 1 … M − 1, 0 … m − 1):

    | rival | its price |
    |---|---|
    | `"nash"` | its Nash price, always |
    | `"cartel"` | its price in the cartel, always |
    | `"best_reply"` | what pays best against the last round's prices, exactly |
    | `"tit_for_tat"` | as far from Nash to cartel as who of the others went least far last |
    | a function | (market, seat, last prices or None, oracle, rng) → price |

    Before the first round a best reply is to all providers' costs, and tit for tat posts the
    cartel's price. A best reply is slow: some milliseconds for each market and rival. Rivals'
    prices are on no grid; functions are described in `aigc_market.competition.rivals`. `"nash"` and
    `"tit_for_tat"` need a Nash equilibrium: in a market in which none is found the reset (or, where
    the market moves, the step that leads there) raises ValueError.

    `gymnasium.make("aigc_market/Rival-v0")` and `make_vec` set `normalize=True` and
    `scale_rewards=True`; both are False by default in the class `RivalEnv`.

    ## Actions

    A price: `Box(cost, max_price, (1,), float32)`.

    `Box(-1, 1, (1,), float32)` where `normalize=True`; `Discrete(96)`, or as many as `price_grid`
    has, where `continuous_actions=False`.

    ## Observations

    The last n rounds, oldest first, each (own price, the rivals' prices in the order of the seats
    after the own, steps that each VMU asked of it): `Box` of shape (n·(M + K),). In rounds before
    the first every price is its provider's cost, and nothing is sold. Where there are capacities
    its own stands in front.

    ## Rewards

    U_m = (p_m − c_m)·Σ_k q_km·S_km of the round, divided by its mean U_Nash where
    `scale_rewards=True`.

    ## Infos

    A provider's of `aigc_market.competition_v0.raw_env`, of the market in which the round was
    played, and

    | agent | info | shape | unit | meaning |
    |---|---|---|---|---|
    | provider | `rival_prices` | (M − 1,) | money a step | of the seats after its own |

    `judged=False` leaves out what Nash and cartel say: where a market moves it costs more than the
    round.

    ## Start

    A new market is drawn, as far as there are laws to draw it from; the history is empty.

    ## End

    Truncated after `max_cycles` rounds, never terminated.

    ## Version history

    * v0: first release. From version 0.2.0 of the package on the id is in a learner's units.
    """

    game_class: ClassVar[type[Game]] = CompetitionGame

    def __init__(self, seat: int = 0, rivals: Any = "nash", **arguments: Any) -> None:
        super().__init__(seat, rivals, arguments)
