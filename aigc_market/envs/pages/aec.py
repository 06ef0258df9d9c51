"""The AEC environment: the ASP posts a price, the VMUs answer it in turn."""

from __future__ import annotations

from typing import Any, ClassVar

from aigc_market.envs.game import Game
from aigc_market.envs.settings import RENDER_FPS, RENDER_MODES
from aigc_market.envs.stackelberg import Equilibrated, Stackelberg
from aigc_market.envs.turns import TurnsEnv


class raw_env(Equilibrated, TurnsEnv):  # noqa: N801 (PettingZoo's name)
    """A leader prices diffusion steps, followers buy them, in turn (PettingZoo AEC).

    ## Description

    A provider of AI-generated content (ASP, `asp_0`, the leader) sells diffusion steps of an image
    model to K vehicular metaverse users (VMUs, `vmu_0` … `vmu_{K-1}`, the followers). The more
    steps S a follower buys, the better its image. Image quality is SSIM(S), structural similarity,
    and δ_k is what one unit of it is worth to follower k.

    In each round the leader posts a price p of a step. Then each follower buys S_k steps; it sees
    p, but not what the others buy in this round. Then all are paid. The game is that of Lai et al.,
    IEEE Trans. Vehicular Technology, 2025 (doi 10.1109/TVT.2025.3544227); equation numbers are
    theirs.

    `env.equilibrium` is the exact Stackelberg equilibrium of the market in play: the best price p*,
    and what the leader earns at it, U_p*, when followers buy what is best for them. `env.market` is
    that market.

    ## Arguments

    | name | default | unit | meaning |
    |---|---|---|---|
    | `K` | 2 | | number of followers |
    | `cost` | 1.0 | money a step | c, what a step costs the leader |
    | `max_price` | 20.0 | money a step | p_max, the highest price |
    | `satisfaction` | 200.0 | money per SSIM | δ: a number, K numbers, or a law |
    | `min_steps` | 0.0 | steps | the least of a purchase (Eq. 5); at 0 a VMU may decline |
    | `max_steps` | 250.0 | steps | the most of a purchase |
    | `capacity` | None | steps a round | R, the most that can be run (Eq. 7), or a law |
    | `ssim` | None | | SSIM model, or a law; None or "quadratic": the paper's fit |
    | `scenario` | None | | a name or a `Scenario`: arguments that those given override, and moves |
    | `followers` | None | | "agents", or scripted: a policy or its name; None: agents |
    | `history` | 5 | rounds | n, how many are observed |
    | `max_cycles` | 100 | rounds | T, the length of an episode |
    | `continuous_actions` | True | | False: a grid of 96 prices, and whole numbers of steps |
    | `normalize` | False | | True: actions in [−1, 1] and observations in [0, 1] |
    | `scale_rewards` | False | | True: rewards near 1, see Rewards |
    | `judged` | True | | whether infos compare play with what is best |
    | `render_mode` | None | | "ansi": text, "rgb_array": frames, "human": a window |
    | `vmu_reward` | "surplus" | | or "utility": Eq. 4 as printed, with SSIM's constant |

    A *law* is drawn from at each reset. Laws of δ are `Uniform(low, high)`,
    `LogUniform(low, high)`, `Drawn(low, high, function)`, `SharedLevel(level, spread)`, or a bare
    function of a `numpy.random.Generator` that returns one number or K. `DrawnQuadratic(alpha,
    beta)` and `DrawnSaturating(gain, scale)` draw the SSIM model of a market, `DemandShare(share)`
    a capacity. Scripted followers (see `aigc_market.followers`) are no agents: a round ends with
    the leader's turn. Scenarios may move the market between rounds: `env.market` is the one that
    answers the next price.

    ## Actions

    | agent | action | numbers | unit | meaning |
    |---|---|---|---|---|
    | leader | price | 1 | money a step | p, from `cost` to `max_price` |
    | follower | steps | 1 | steps | S_k, from `min_steps` to `max_steps` |

    Float32 boxes. Finite values outside are clipped with a warning; NaN, infinities and wrong
    shapes raise. In an episode whose options narrow the bounds, actions are held within the
    narrower ones. Where followers come and go (`Traffic`), those who are not there take their turn
    too: what they do is ignored, and they buy 0.

    ## Observations

    | agent | field | numbers | unit | meaning |
    |---|---|---|---|---|
    | leader, in front | `capacity` | 1 | steps a round | R, where there is one |
    | leader, each round | `price` | 1 | money a step | p, what it posted |
    | leader, each round | `steps` | K | steps | what each follower asked for |
    | leader, each round | `active` | K | | 1 or 0, who answers next, where VMUs come and go |
    | follower, in front | `satisfaction` | 1 | money per SSIM | its δ; 0 where it is not there |
    | follower, in front | `alpha`, `beta` | 2 | | α and β (or A and τ) of a drawn SSIM model |
    | follower, in front | `active` | 1 | | 1 or 0, whether it is there, where VMUs come and go |
    | follower, in front | `price` | 1 | money a step | p, the price posted |
    | follower, each round | `price` | 1 | money a step | p of that round |
    | follower, each round | `steps` | 1 | steps | what was delivered to it |

    Flat float32 boxes: the fields in front, then the last n rounds, oldest first (Eq. 16). Rounds
    before the first are (cost, 0 … 0). All followers have equal spaces: the bound of a fixed δ is
    2·max δ, that of a drawn one its law's, and wider where it drifts. `state()` holds every δ, what
    else is drawn, who is there, R, the price in force, and the leader's rounds.

    ## Rewards

    | agent | reward | divided by, where `scale_rewards=True` |
    |---|---|---|
    | leader | U_p = (p − c)·ΣS_k (Eq. 6) | U_p*, its equilibrium's |
    | follower | its surplus U_k(S_k) − U_k(0) | δ_k·(max SSIM − SSIM(0)) |

    Paid when the last follower of a round has acted. Where ΣS_k exceeds the capacity, all get the
    same share of what they asked for, and pay for what they got. A follower that is not there is
    paid 0. U_p* is that of the market that the arguments describe, a constant, so that 1 is
    equilibrium play; where markets are drawn or move, it is the mean over their law at reset (of
    256 draws of a fixed seed).

    ## Infos

    | agent | info | shape | unit | meaning |
    |---|---|---|---|---|
    | leader | `round` | | | its number, from 1 |
    | leader | `price` | | money a step | p |
    | leader | `demand` | (K,) | steps | what each follower asked for |
    | leader | `utility` | | money | U_p |
    | leader | `equilibrium_price` | | money a step | p* |
    | leader | `equilibrium_utility` | | money | U_p* |
    | leader | `regret` | | money | what p forgoes against rational followers, whatever these did |
    | leader | `active` | (K,) | | who answers the next price, where VMUs come and go |
    | follower | `steps` | | steps | what was delivered |
    | follower | `ssim` | | | SSIM(S_k) |
    | follower | `surplus` | | money | U_k(S_k) − U_k(0) |
    | follower | `best_response` | | steps | what would have been best |
    | follower | `is_active` | | | whether it answers the next price, where VMUs come and go |

    After a round, in physical units, of the market in which it was played. `judged=False` leaves
    out `equilibrium_price`, `equilibrium_utility`, `regret` and `best_response`, and solves
    nothing.

    ## Start

    A new market is drawn, as far as there are laws to draw it from. The leader moves first.

    ## End

    After `max_cycles` rounds all agents are truncated; none is ever terminated.

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


def env(**arguments: Any) -> raw_env:
    """The AEC environment with the promises of PettingZoo's standard wrappers.

    Order enforcement and clipping, with PettingZoo's own errors and warnings, are kept inside
    `raw_env`: the wrappers would cost three times as much as the game.
    """
    return raw_env(**arguments)
