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

    | name | default | meaning |
    |---|---|---|
    | `M`, `K` | 2, 2 | number of providers and of VMUs |
    | `cost` | 1.0 | c, what a step costs a provider: a number, or M |
    | `max_price` | 20.0 | p_max: a number, or M |
    | `satisfaction` | 200.0 | δ: a number, K numbers, or a distribution redrawn at each reset |
    | `min_steps`, `max_steps` | 0, 250 | bounds of the steps of a request |
    | `capacity` | None | R, steps that a provider can run in a round: a number, or M |
    | `ssim` | None | SSIM model, M of them, or a law of one; None or "quadratic": the paper's fit |
    | `access_cost` | 0.0 | τ, what reaching a provider costs for a request: a number, or (M, K) |
    | `temperature` | 60.0 | μ, how much VMUs care to spread their requests |
    | `outside` | None | v_0, what a request that buys nothing is worth; None: there is none |
    | `followers` | None | "agents", or scripted: a policy or its name; None: agents |
    | `history` | 5 | n, the rounds observed |
    | `max_cycles` | 100 | T, the rounds of an episode |
    | `scenario` | None | "duopoly", "calvano", "road", "hidden", or a `Scenario` |
    | `continuous_actions` | True | False: a grid of prices, weights and whole steps |
    | `price_grid` | None | that grid: (L,), (M, L), "nash_cartel", or None for 96 even prices |
    | `normalize` | False | actions in [−1, 1] and observations in [0, 1] |
    | `scale_rewards` | False | rewards near 1, see below |
    | `judged` | True | infos hold Nash, cartel and what is rational |
    | `render_mode` | None | "ansi": text, "rgb_array": frames, "human": a window |

    Scripted followers ("best_response", "noisy", "random") are functions
    (market, prices, rng) → (shares, steps), both (M, K), see `aigc_market.followers`; the
    agents are then the providers alone, and a round ends with the last of them.
    `price_grid="nash_cartel"` is `competition.price_grid` of the market: 15 prices from below the
    Nash price to above the cartel's. Scenarios may move δ, the SSIM model and access costs between
    rounds (`Drift`, `Shift`, `Road`): `env.market` is always the one that answers the next prices.
    Where it moves, `judged=True` solves it anew in every round, which takes far longer than the
    round; `judged=False` never does.

    ## Actions

    Provider: `Box(min c, max p_max, (1,), float32)`, equal for all; a price is held within its
    provider's own bounds. VMU: `Box((2M,))`, a weight in [0, 1] for each provider, then steps in
    [S_min, S_max] for each; with an outside option one more weight behind those of the providers.
    Shares are weights over their sum, equal where all are 0. Finite values outside are clipped with
    a warning; NaN, infinities and wrong shapes raise. `continuous_actions=False`: `Discrete(L)`,
    and `MultiDiscrete`: weights 0, .1 … 1, and the whole numbers of steps.

    ## Observations

    Flat float32 boxes with finite bounds, equal for all providers and equal for all VMUs. Provider:
    the last n rounds, oldest first, each (its own price, the others' in the order of the seats
    after its own, the steps that VMU 0 … K−1 asked of it), shape (n·(M + K),). VMU: its δ, its τ at
    each provider, the M prices posted, then its last n rounds of (M prices, M shares, M steps
    delivered for a request), shape (1 + 2M + 3Mn,). Where α and β are drawn a VMU sees them behind
    its δ. In the rounds before the first, prices are costs and nothing is sold. `state()` holds
    every δ, α and β where they are drawn, τ provider by provider, the prices in force, and the last
    n rounds of prices, shares and steps. Where there are capacities each provider sees its own in
    front, and `state()` holds all of them before the prices in force.

    ## Rewards

    Of a round, paid when the last agent has acted, and 0 on all other turns. Provider:
    U_m = (p_m − c_m)·Σ_k q_km·S_km (Eq. 6 of Lai et al., 2025, with shares). VMU:
    U_k = Σ_m q_km·(δ_k·(SSIM(S_km) − SSIM(0)) − p_m·S_km − τ_km) + q_k0·v_0 + μ·H(q_k), H being the
    entropy. Where VMUs ask a provider for more than its capacity, all get the same share of the
    steps that they asked for there, and pay for what they got. There is no `vmu_reward`: SSIM's
    constants, times the shares, would make another game. `scale_rewards=True` divides a VMU's by
    δ·(max SSIM − SSIM(0)), and a provider's by a constant of the environment: its U_Nash in the
    market that the arguments describe or, where markets are drawn or move, its mean U_Nash over
    their law at reset (of 256 draws of a fixed seed); by 1 where no Nash equilibrium is found.

    ## Infos

    After a round, provider: `round`, `price`, `sold` (steps delivered in all), `demand` (K,) as
    asked for, `utility`, `nash_price`, `nash_utility`, `cartel_price`, `cartel_utility`,
    `profit_gain` (0 at Nash, 1 at the cartel); NaN where no Nash equilibrium was found. VMU:
    `shares` (M,), `steps` (M,) delivered for a request, `utility`, `regret`: what its choice
    forgoes at the prices posted, before any rationing. All are of the market in which the round was
    played. `judged=False` leaves out what Nash, cartel and regret have to say.

    ## Start

    A new market is drawn, as far as there are laws to draw it from. `asp_0` moves first. Options of
    `reset` set, for one episode, `cost`, `max_price`, `satisfaction`, `min_steps`, `max_steps`,
    `capacity`, `access_cost`, `temperature` and `outside`, in physical units.

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
