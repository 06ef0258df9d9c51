"""The AEC environment: the ASP posts a menu of contracts, the VMUs choose from it in turn."""

from __future__ import annotations

from typing import Any, ClassVar

from aigc_market.envs.game import Game
from aigc_market.envs.menus import Contracted, MenuGame
from aigc_market.envs.settings import RENDER_FPS, RENDER_MODES
from aigc_market.envs.turns import TurnsEnv


class raw_env(Contracted, TurnsEnv):  # noqa: N801 (PettingZoo's name)
    """A leader offers contracts to followers of hidden types, in turn (PettingZoo AEC).

    ## Description

    A provider of AI-generated content (ASP, `asp_0`, the leader) sells diffusion steps of an image
    model to K vehicular metaverse users (VMUs, `vmu_0` … `vmu_{K-1}`, the followers), as in
    `stackelberg_v0`, but by contract: it does not post a price of a step, but a menu of L
    contracts, each so many steps S for such a fee T.

    In each round the leader posts a menu. Then each follower takes one of the contracts, or none;
    it sees the menu, but not what the others take in this round. Then all are paid. The leader
    cannot tell followers apart: all of them may take any contract. What each chooses depends on its
    δ_k, what a unit of image quality SSIM(S) is worth to it. This is second-degree price
    discrimination (Mussa & Rosen, 1978; Maskin & Riley, 1984).

    `env.best_menu` is the exact best menu of L contracts in the market in play, and what it earns
    when followers choose what is best for them. `env.market` is that market.

    ## Arguments

    | name | default | meaning |
    |---|---|---|
    | `K` | 2 | number of followers |
    | `contracts` | 3 | L, number of contracts in a menu |
    | `max_fee` | None | F, the highest fee; None: what the best contract is worth at most |
    | `cost` | 1.0 | c, what a step costs the leader |
    | `satisfaction` | 200.0 | δ: a number, K numbers, or a distribution redrawn at each reset |
    | `max_steps` | 250 | S_max, the most steps of a contract |
    | `ssim` | None | SSIM model, or a law of it; None or "quadratic" for the paper's fit |
    | `max_price` | 20.0 | of the linear price that a menu is compared with by `solve(env.market)` |
    | `followers` | None | "agents", or scripted: a policy or its name; None: agents |
    | `history` | 5 | n, the rounds observed |
    | `max_cycles` | 100 | T, the rounds of an episode |
    | `scenario` | None | "paper", "hidden", or a `Scenario` |
    | `continuous_actions` | True | False: whole numbers of steps, and a grid of 96 fees |
    | `normalize` | False | actions in [−1, 1] and observations in [0, 1] |
    | `scale_rewards` | False | rewards near 1, see below |
    | `judged` | True | infos compare play with what is best |
    | `render_mode` | None | "ansi": text, "rgb_array": frames, "human": a window |

    All followers have one SSIM model, and none has to buy: `min_steps`, a capacity and an SSIM
    model of each follower are refused. Scripted followers ("best_response", "quantal", or functions
    (market, menu, rng) → numbers of contracts, see `aigc_market.followers`) are no agents: the
    leader plays alone. Scenarios may move δ and the SSIM model between rounds (`Drift`, `Shift`).

    ## Actions

    Leader: `Box((2L,), float32)`, contract by contract S_1, T_1, S_2, T_2, …, each S in
    [0, S_max] and each T in [0, F]; `MultiDiscrete` where `continuous_actions=False`. Follower:
    `Discrete(L + 1)`, 0 for none and l for the l-th contract. Finite values outside are clipped
    with a warning; NaN, infinities and wrong shapes raise. A contract of 0 steps for no fee is as
    good as none.

    F leaves room for every fee that anybody would pay: δ·(max SSIM − SSIM(0)) at the highest δ and
    the best SSIM that the arguments admit. Options of a reset that would go beyond it are refused,
    unless `max_fee` is larger.

    ## Observations

    Flat float32 boxes with finite bounds. Leader: the last n rounds, oldest first, each
    (S_1, T_1, … S_L, T_L, what each follower took), shape (n·(2L + K),). Follower k: its δ_k, the
    menu posted, then its last n rounds of (steps, fee) that it took, shape (1 + 2L + 2n,). Where
    the SSIM model is drawn a follower sees its coefficients behind its δ. Rounds before the first
    are all 0. `state()` holds every δ, the coefficients that are drawn, the menu in force and the
    leader's rounds.

    ## Rewards

    Of a round, paid when its last follower has acted. Leader: Σ_k (T − c·S) over what was taken,
    which may be a loss. Follower: its surplus δ_k·(SSIM(S) − SSIM(0)) − T, and 0 for none.
    `scale_rewards=True` divides a follower's by δ_k·(max SSIM − SSIM(0)), and the leader's by a
    constant of the environment: what the best menu earns in the market that the arguments describe
    or, where markets are drawn or move, the mean of it over their law at reset (of 256 draws of a
    fixed seed).

    ## Infos

    After a round, leader: `round`, `menu` (L, 2), `taken` (K,), `utility`, `equilibrium_utility`
    (of the best menu), and `regret`: what the menu forgoes against rational followers, whatever
    these ones did. Follower: `steps`, `fee`, `surplus`, and `best_choice`, what it would have been
    best to take. A rational follower gives up as much as 10⁻⁶ of δ_k·(max SSIM − SSIM(0)), and
    10⁻⁷ of F, to take what pays the leader more: so the best menu, rounded to single precision,
    earns what it should.
    `judged=False` leaves out `equilibrium_utility`, `regret` and `best_choice`, and solves nothing.

    ## Start

    A new market is drawn, as far as there are laws to draw it from. The leader moves first.

    ## End

    After `max_cycles` rounds all agents are truncated; none is ever terminated.

    ## Version history

    * v0: first release.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (PettingZoo's type)
        "name": "menus_v0",
        "render_modes": RENDER_MODES,
        "render_fps": RENDER_FPS,
        "is_parallelizable": False,
    }
    game_class: ClassVar[type[Game]] = MenuGame


def env(**arguments: Any) -> raw_env:
    """The AEC environment with the promises of PettingZoo's standard wrappers, kept inside."""
    return raw_env(**arguments)
