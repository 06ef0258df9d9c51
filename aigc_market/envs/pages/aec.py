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

    | name | default | meaning |
    |---|---|---|
    | `K` | 2 | number of followers |
    | `cost` | 1.0 | c, what a step costs the leader |
    | `max_price` | 20.0 | p_max, the highest price |
    | `satisfaction` | 200.0 | δ: a number, K numbers, or a distribution redrawn at each reset |
    | `min_steps`, `max_steps` | 0, 250 | bounds of a purchase (Eq. 5); at 0 a VMU may decline |
    | `capacity` | None | R, steps that can be run in a round (Eq. 7), or a law of it |
    | `ssim` | None | SSIM model, or a law of it; None or "quadratic" for the paper's fit |
    | `followers` | None | "agents", or scripted: a policy or its name; None: agents |
    | `history` | 5 | n, the rounds observed |
    | `max_cycles` | 100 | T, the rounds of an episode |
    | `scenario` | None | a name or a `Scenario`: arguments (those given override them), moves |
    | `continuous_actions` | True | False: a grid of 96 prices, and whole numbers of steps |
    | `normalize` | False | actions in [−1, 1] and observations in [0, 1] |
    | `scale_rewards` | False | rewards near 1, see below |
    | `judged` | True | infos compare play with what is best |
    | `vmu_reward` | "surplus" | or "utility": Eq. 4 as printed, with SSIM's constant |
    | `render_mode` | None | "ansi": text, "rgb_array": frames, "human": a window |

    Distributions of δ are `Uniform(low, high)`, `LogUniform(low, high)`, `Drawn(low, high,
    function)`, `SharedLevel(level, spread)`, or a bare function of a `numpy.random.Generator` that
    returns one number or K. `DrawnQuadratic(alpha, beta)` draws α and β, and
    `DrawnSaturating(gain, scale)` A and τ, shared by the followers of a market,
    `DemandShare(share)` a capacity. Scripted followers (see `aigc_market.followers`) are no agents:
    the leader plays alone, and a round ends with its turn. Scenarios may move the market between
    rounds: `env.market` is always the one that answers the next price.

    ## Actions

    Leader: `Box(cost, max_price, (1,), float32)`. Follower: `Box(min_steps, max_steps, (1,),
    float32)`. Finite values outside are clipped with a warning; NaN, infinities and wrong shapes
    raise. In an episode whose options narrow the bounds, actions are held within the narrower ones.
    Where followers come and go (`Traffic`), those who are not there take their turn too: what they
    do is ignored, and they buy 0.

    ## Observations

    Flat float32 boxes with finite bounds. Leader: the last n rounds, oldest first, each
    (p, S_1 … S_K), shape (n·(K+1),) (Eq. 16). Follower k: its δ_k, the price posted, then its last
    n rounds of (p, S_k), shape (2 + 2n,). Rounds before the first are (cost, 0 … 0). `state()`
    holds every δ, the price in force and the history. All followers have equal spaces: the bound
    of a fixed δ is [0, 2·max δ], that of a drawn one its distribution's, and wider where it drifts.

    Where the SSIM model is drawn a follower sees its coefficients (α and β, or A and τ) behind its
    δ. Where followers come and go
    it sees 1 or 0 behind these, for being there or not (δ is then shown as 0), and the leader's
    rows are (p, S_1 … S_K, m_1 … m_K), m being who will answer the next price; rows before the
    first carry the first m. `state()` then holds, in order: every δ, α and β, who is there, and R,
    as far as they are drawn or change, the price in force and the history.

    Where there is a capacity the leader sees R in front, shape (1 + n·(K+1),), and its rows hold
    the steps that were asked for; a follower's rows, those that it was delivered. A fixed R is
    shown too, and bounds of R leave room for one that the options of a reset set.

    ## Rewards

    Of a round, paid when its last follower has acted. Leader: U_p = (p − c)·ΣS_k (Eq. 6).
    Follower: its surplus U_k(S_k) − U_k(0). `scale_rewards=True` divides a follower's by
    δ_k·(max SSIM − SSIM(0)), and the leader's by a constant of the environment: U_p* of the market
    that the arguments describe or, where markets are drawn or move, the mean U_p* over their law at
    reset (of 256 draws of a fixed seed). Where ΣS_k exceeds the capacity, all get the same share
    of what they asked for, and pay for what they got. A follower that is not there is paid 0.

    ## Infos

    After a round, leader: `round`, `price`, `demand` (K,) as asked for, `utility`,
    `equilibrium_price`, `equilibrium_utility`, and `regret`: what the price forgoes against
    rational followers, whatever these ones did. Follower: `steps` as delivered, `ssim`, `surplus`,
    `best_response`. All of these are of the market in which the round was played. Where followers
    come and go also who will answer the next price, leader: `active` (K,), follower: `is_active`.
    `judged=False` leaves out `equilibrium_price`, `equilibrium_utility`, `regret` and
    `best_response`, and solves nothing.

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
