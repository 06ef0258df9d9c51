"""The AEC environment: the providers post prices, and the VMUs spread their requests, in turn."""

from __future__ import annotations

from typing import Any, ClassVar

from aigc_market.envs.competition import Benchmarked, CompetitionGame
from aigc_market.envs.game import Game
from aigc_market.envs.settings import RENDER_FPS, RENDER_MODES
from aigc_market.envs.turns import TurnsEnv


class raw_env(Benchmarked, TurnsEnv):  # noqa: N801 (PettingZoo's name)
    """Providers compete on price for the same vehicular users, in turn (PettingZoo AEC).

    ## Description

    M providers of AI-generated content (ASPs, `asp_0` … `asp_{M−1}`, the leaders) sell diffusion
    steps of an image model to K vehicular metaverse users (VMUs, `vmu_0` … `vmu_{K−1}`, the
    followers). The more steps S are spent on an image, the better it is. Image quality is SSIM(S),
    structural similarity, and δ_k is what one unit of it is worth to VMU k.

    In each round each provider posts a price p_m of a step; it does not see the other prices of
    this round. Then each VMU, which sees all M prices, spreads one unit of requests over the
    providers: it sends a share q_m to provider m, and buys S_m steps for each request sent there.
    Then all are paid.

    Where VMUs are rational, shares are a logit with temperature μ (Anderson, de Palma & Thisse,
    1988). The providers' Nash equilibrium, with a certificate, is at hand as `env.nash`, what they
    would do together as `env.cartel`, and the market as `env.market`. With one provider and without
    an outside option this is `stackelberg_v0`. `scenario="calvano"` is the market of Calvano,
    Calzolari, Denicolò & Pastorello (American Economic Review, 2020, doi 10.1257/aer.20190623);
    users who choose among prices by a logit are those of Huang et al. (MASS 2022, arXiv
    2208.06770).

    ## Arguments

    | name | default | unit | meaning |
    |---|---|---|---|
    | `M` | 2 | | number of providers |
    | `K` | 2 | | number of VMUs |
    | `cost` | 1.0 | money a step | c, what a step costs a provider: a number, or M |
    | `max_price` | 20.0 | money a step | p_max: a number, or M |
    | `satisfaction` | 200.0 | money per SSIM | δ: a number, K numbers, or a law |
    | `min_steps` | 0.0 | steps | the least for a request |
    | `max_steps` | 250.0 | steps | the most for a request |
    | `capacity` | None | steps a round | R, the most that a provider can run: a number, or M |
    | `ssim` | None | | SSIM model, M of them, or a law; None or "quadratic": the paper's fit |
    | `access_cost` | 0.0 | money a request | τ, to reach a provider: a number, or (M, K) |
    | `temperature` | 60.0 | money | μ, how much VMUs care to spread their requests |
    | `outside` | None | money | v_0, the worth of a request that buys nothing, if it may |
    | `scenario` | None | | "duopoly", "calvano", "road", "hidden", or a `Scenario` |
    | `followers` | None | | "agents", or scripted: a policy or its name; None: agents |
    | `history` | 5 | rounds | n, how many are observed |
    | `max_cycles` | 100 | rounds | T, the length of an episode |
    | `continuous_actions` | True | | False: a grid of prices, weights and whole steps |
    | `normalize` | False | | True: actions in [−1, 1] and observations in [0, 1] |
    | `scale_rewards` | False | | True: rewards near 1, see Rewards |
    | `judged` | True | | whether infos hold Nash, cartel and what is rational |
    | `render_mode` | None | | "ansi": text, "rgb_array": frames, "human": a window |
    | `price_grid` | None | money a step | (L,), (M, L), "nash_cartel", or None: 96 even prices |

    A *law* is drawn from at each reset, see `aigc_market.raw_env`. Scripted followers
    ("best_response", "noisy", "random") are functions (market, prices, rng) → (shares, steps), both
    (M, K), see `aigc_market.followers`; a round then ends with the last provider.
    `price_grid="nash_cartel"` is `competition.price_grid` of the market: 15 prices from below the
    Nash price to above the cartel's. Scenarios may move δ, the SSIM model and access costs between
    rounds (`Drift`, `Shift`, `Road`): `env.market` is the one that answers the next prices. Where
    it moves, `judged=True` solves it anew in every round, which takes far longer than the round.

    ## Actions

    | agent | action | numbers | unit | meaning |
    |---|---|---|---|---|
    | provider | price | 1 | money a step | p_m, held within its own `cost` and `max_price` |
    | VMU | weights | M | | what it sends to each provider, before they are divided by their sum |
    | VMU | steps | M | steps | S_km, for each request sent there |

    Float32 boxes, equal for all providers and for all VMUs. With an outside option a VMU has one
    more weight, behind those of the providers. Shares are equal where all weights are 0. Finite
    values outside are clipped with a warning; NaN, infinities and wrong shapes raise.
    `continuous_actions=False`: `Discrete(L)`, and `MultiDiscrete`: weights 0, .1 … 1, and the whole
    numbers of steps.

    ## Observations

    | agent | field | numbers | unit | meaning |
    |---|---|---|---|---|
    | provider, in front | `capacity` | 1 | steps a round | its R, where there is one |
    | provider, each round | `prices` | M | money a step | its own, then of seats after it |
    | provider, each round | `steps` | K | steps | what each VMU asked of it |
    | VMU, in front | `satisfaction` | 1 | money per SSIM | its δ |
    | VMU, in front | `alpha`, `beta` | 2 | | α and β of a drawn SSIM model |
    | VMU, in front | `access_cost` | M | money a request | its τ at each provider |
    | VMU, in front | `prices` | M | money a step | the prices posted |
    | VMU, each round | `prices` | M | money a step | the prices of that round |
    | VMU, each round | `shares` | M | | q_km, where its requests went |
    | VMU, each round | `steps` | M | steps | what was delivered for a request |

    Flat float32 boxes: the fields in front, then the last n rounds, oldest first. In the rounds
    before the first, prices are costs and nothing is sold. `state()` holds every δ, α and β where
    they are drawn, τ provider by provider, capacities, the prices in force, and the last n rounds
    of prices, shares and steps.

    ## Rewards

    | agent | reward | divided by, where `scale_rewards=True` |
    |---|---|---|
    | provider | U_m = (p_m − c_m)·Σ_k q_km·S_km (Eq. 6) | U_Nash, its Nash equilibrium's |
    | VMU | Σ_m q_km·(V_km − p_m·S_km − τ_km) + q_k0·v_0 + μ·H(q_k) | δ_k·(max SSIM − SSIM(0)) |

    Paid when the last agent of a round has acted, and 0 on all other turns. Eq. 6 is that of Lai et
    al. (2025), with shares. A VMU's reward is U_k; V_km = δ_k·(SSIM(S_km) − SSIM(0)), and H is the
    entropy. Where VMUs ask a provider for more than its capacity, all get the same share of the
    steps that they asked for there, and pay for what they got. There is no `vmu_reward`: SSIM's
    constants, times the shares, would make another game. U_Nash is that of the market that the
    arguments describe, a constant; where markets are drawn or move, it is the mean over their law
    at reset (of 256 draws of a fixed seed); 1 where no Nash equilibrium is found.

    ## Infos

    | agent | info | shape | unit | meaning |
    |---|---|---|---|---|
    | provider | `round` | | | its number, from 1 |
    | provider | `price` | | money a step | p_m |
    | provider | `sold` | | steps | delivered in all |
    | provider | `demand` | (K,) | steps | what each VMU asked for |
    | provider | `utility` | | money | U_m |
    | provider | `nash_price` | | money a step | its price in the Nash equilibrium |
    | provider | `nash_utility` | | money | what it earns there |
    | provider | `cartel_price` | | money a step | its price in the cartel |
    | provider | `cartel_utility` | | money | what it earns there |
    | provider | `profit_gain` | | | 0 at Nash, 1 at the cartel |
    | VMU | `shares` | (M,) | | q_km |
    | VMU | `steps` | (M,) | steps | delivered for a request |
    | VMU | `utility` | | money | U_k |
    | VMU | `regret` | | money | what its choice forgoes at these prices, before any rationing |

    After a round, in physical units, of the market in which it was played. What Nash says is NaN
    where no equilibrium is found. `judged=False` leaves out what Nash, cartel and regret say.

    ## Start

    A new market is drawn, as far as there are laws to draw it from. `asp_0` moves first.

    ## End

    After `max_cycles` rounds all agents are truncated; none is ever terminated.

    ## Version history

    * v0: first release.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (PettingZoo's type)
        "name": "competition_v0",
        "render_modes": RENDER_MODES,
        "render_fps": RENDER_FPS,
        "is_parallelizable": False,
    }
    game_class: ClassVar[type[Game]] = CompetitionGame


def env(**arguments: Any) -> raw_env:
    """The AEC environment with the promises of PettingZoo's standard wrappers, kept inside."""
    return raw_env(**arguments)
