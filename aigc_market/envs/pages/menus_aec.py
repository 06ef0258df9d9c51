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

    | name | default | unit | meaning |
    |---|---|---|---|
    | `K` | 2 | | number of followers |
    | `cost` | 1.0 | money a step | c, what a step costs the leader |
    | `max_price` | 20.0 | money a step | the highest linear price, with which a menu is compared |
    | `satisfaction` | 200.0 | money per SSIM | δ: a number, K numbers, or a law |
    | `max_steps` | 250.0 | steps | S_max, the most of a contract |
    | `ssim` | None | | SSIM model, or a law; None or "quadratic": the paper's fit |
    | `scenario` | None | | "paper", "hidden", or a `Scenario` |
    | `followers` | None | | "agents", or scripted: a policy or its name; None: agents |
    | `history` | 5 | rounds | n, how many are observed |
    | `max_cycles` | 100 | rounds | T, the length of an episode |
    | `continuous_actions` | True | | False: whole numbers of steps, and a grid of 96 fees |
    | `normalize` | False | | True: actions in [−1, 1] and observations in [0, 1] |
    | `scale_rewards` | False | | True: rewards near 1, see Rewards |
    | `judged` | True | | whether infos compare play with what is best |
    | `render_mode` | None | | "ansi": text, "rgb_array": frames, "human": a window |
    | `contracts` | 3 | | L, how many are in a menu |
    | `max_fee` | None | money | F, the highest fee; None: what the best contract is worth at most |

    A *law* is drawn from at each reset, see `aigc_market.raw_env`. All followers have one SSIM
    model, and none has to buy: `min_steps`, a capacity and an SSIM model of each follower are
    refused. Scripted followers ("best_response", "quantal", or functions (market, menu, rng) →
    numbers of contracts, see `aigc_market.followers`) are no agents: the leader plays alone.
    Scenarios may move δ and the SSIM model between rounds (`Drift`, `Shift`). `solve(env.market)`
    is the best linear price.

    ## Actions

    | agent | action | numbers | unit | meaning |
    |---|---|---|---|---|
    | leader | menu | 2L | steps, money | S_1, T_1, … S_L, T_L: S in [0, `max_steps`], T in [0, F] |
    | follower | contract | 1 | | 0 for none, l for the l-th contract |

    Leader: a float32 box; `MultiDiscrete` where `continuous_actions=False`. Follower:
    `Discrete(L + 1)`. Finite values outside are clipped with a warning; NaN, infinities and wrong
    shapes raise. A contract of 0 steps for no fee is as good as none.

    F leaves room for every fee that anybody would pay: δ·(max SSIM − SSIM(0)) at the highest δ and
    the best SSIM that the arguments admit. Options of a reset that would go beyond it are refused,
    unless `max_fee` is larger.

    ## Observations

    | agent | field | numbers | unit | meaning |
    |---|---|---|---|---|
    | leader, each round | `steps_1` … `fee_L` | 2L | steps, money | the menu S_1, T_1, … S_L, T_L |
    | leader, each round | `taken` | K | | which contract each follower took, 0 for none |
    | follower, in front | `satisfaction` | 1 | money per SSIM | its δ |
    | follower, in front | `alpha`, `beta` | 2 | | α and β (or A and τ) of a drawn SSIM model |
    | follower, in front | `steps_1` … `fee_L` | 2L | steps, money | the menu posted |
    | follower, each round | `steps` | 1 | steps | what it took |
    | follower, each round | `fee` | 1 | money | what it paid |

    Flat float32 boxes: the fields in front, then the last n rounds, oldest first. Rounds before the
    first are all 0. `state()` holds every δ, the coefficients that are drawn, the menu in force and
    the leader's rounds.

    ## Rewards

    | agent | reward | divided by, where `scale_rewards=True` |
    |---|---|---|
    | leader | Σ_k (T − c·S) over what was taken; it may be a loss | what the best menu earns |
    | follower | δ_k·(SSIM(S) − SSIM(0)) − T, its surplus; 0 for none | δ_k·(max SSIM − SSIM(0)) |

    Paid when the last follower of a round has acted. The best menu is that of the market that the
    arguments describe, and what it earns a constant; where markets are drawn or move, it is the
    mean over their law at reset (of 256 draws of a fixed seed).

    ## Infos

    | agent | info | shape | unit | meaning |
    |---|---|---|---|---|
    | leader | `round` | | | its number, from 1 |
    | leader | `menu` | (L, 2) | steps, money | the contracts (S, T) |
    | leader | `taken` | (K,) | | which contract each follower took, 0 for none |
    | leader | `utility` | | money | what the leader earned |
    | leader | `equilibrium_utility` | | money | what the best menu earns |
    | leader | `regret` | | money | what the menu forgoes against rational followers |
    | follower | `steps` | | steps | what it took |
    | follower | `fee` | | money | what it paid |
    | follower | `surplus` | | money | what it was worth to it |
    | follower | `best_choice` | | | what it would have been best to take |

    After a round, in physical units, of the market in which it was played. `judged=False` leaves
    out `equilibrium_utility`, `regret` and `best_choice`, and solves nothing. A rational follower
    gives up as much as 10⁻⁶ of δ_k·(max SSIM − SSIM(0)), and 10⁻⁷ of F, to take what pays the
    leader more: so the best menu, rounded to single precision, earns what it should. `regret` does
    not depend on what these followers did.

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
