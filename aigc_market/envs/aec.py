"""The AEC environment: the ASP posts a price, the VMUs answer it in turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pettingzoo import AECEnv
from pettingzoo.utils.env_logger import EnvLogger

from aigc_market.envs.agents import MarketAgents
from aigc_market.envs.seats import LEADER

_AFTER_RESET = {
    "agents",
    "agent_selection",
    "infos",
    "num_agents",
    "rewards",
    "terminations",
    "truncations",
}


class raw_env(MarketAgents, AECEnv):  # noqa: N801 (PettingZoo's name)
    """A leader prices diffusion steps, followers buy them, in turn (PettingZoo AEC).

    ## Description

    An AIGC Service Provider (`asp_0`, the leader) sells diffusion steps of an image model to K
    vehicular users (`vmu_0` … `vmu_{K-1}`, the followers). In each round the leader posts a unit
    price p; then each follower, seeing p but not the other purchases of the round, buys S_k steps;
    then all are paid. The game is that of Lai et al., IEEE Trans. Vehicular Technology, 2025
    (doi 10.1109/TVT.2025.3544227); equation numbers are theirs. The exact Stackelberg equilibrium
    of the market in play is at hand as `env.equilibrium`, the market as `env.market`.

    ## Arguments

    | name | default | meaning |
    |---|---|---|
    | `K` | 2 | number of followers |
    | `cost` | 1.0 | c, what a step costs the leader |
    | `max_price` | 20.0 | p_max |
    | `satisfaction` | 200.0 | δ: a number, K numbers, or a distribution redrawn at each reset |
    | `min_steps`, `max_steps` | 0, 250 | bounds of a purchase (Eq. 5); at 0 a VMU may decline |
    | `capacity` | None | R, steps that can be run in a round (Eq. 7), or a law of it |
    | `ssim` | None | SSIM model, or a law of it; None or "quadratic" for the paper's fit |
    | `history` | 5 | n, the rounds observed |
    | `max_cycles` | 100 | T, the rounds of an episode |
    | `scenario` | None | a name or a `Scenario`: arguments (those given override them), moves |
    | `continuous_actions` | True | False: a grid of 96 prices, and whole numbers of steps |
    | `normalize` | False | actions in [−1, 1] and observations in [0, 1] |
    | `scale_rewards` | False | leader's over U_p*, a follower's over δ·(max SSIM − SSIM(0)) |
    | `vmu_reward` | "surplus" | or "utility": Eq. 4 as printed, with SSIM's constant |
    | `render_mode` | None | "ansi": text, "rgb_array": frames, "human": a window |

    Distributions of δ are `Uniform(low, high)`, `LogUniform(low, high)`, `Drawn(low, high,
    function)`, `SharedLevel(level, spread)`, or a bare function of a `numpy.random.Generator` that
    returns one number or K. `DrawnQuadratic(alpha, beta)` draws α and β, shared by the followers of
    a market, `DemandShare(share)` a capacity. Scenarios may move the market between rounds:
    `env.market` is always the one that answers the next price, and scripted noise is no part of
    this game.

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

    Where the SSIM model is drawn a follower sees α and β behind its δ. Where followers come and go
    it sees 1 or 0 behind these, for being there or not (δ is then shown as 0), and the leader's
    rows are (p, S_1 … S_K, m_1 … m_K), m being who will answer the next price; rows before the
    first carry the first m. `state()` then holds, in order: every δ, α and β, who is there, and R,
    as far as they are drawn or change, the price in force and the history.

    ## Rewards

    Of a round, paid when its last follower has acted. Leader: U_p = (p − c)·ΣS_k (Eq. 6).
    Follower: its surplus U_k(S_k) − U_k(0). Where ΣS_k exceeds the capacity, all get the same share
    of what they asked for, and pay for what they got. A follower that is not there is paid 0.

    ## Infos

    After a round, leader: `round`, `price`, `demand` (K,) as asked for, `utility`,
    `equilibrium_price`, `equilibrium_utility`, and `regret`: what the price forgoes against
    rational followers, whatever these ones did. Follower: `steps` as delivered, `ssim`, `surplus`,
    `best_response`. All of these are of the market in which the round was played. Where followers
    come and go also who will answer the next price, leader: `active` (K,), follower: `is_active`.

    ## Start

    A new market is drawn, as far as there are laws to draw it from. The leader moves first.

    ## End

    After `max_cycles` rounds all agents are truncated; none is ever terminated.

    ## Version history

    * v0: first release.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self._set_up("asp", arguments)
        self._turn = -1  # whose it is, in the order of seats; -1 while nobody may play
        self._stepped = False

    def __getattr__(self, name: str) -> Any:
        # Only reached for attributes that do not exist, as these do not before the first reset.
        if name in _AFTER_RESET:
            raise AttributeError(f"{name} cannot be accessed before reset")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Begin an episode.

        Args:
            seed: of every random choice; None goes on with the stream of the last seed.
            options: parameters of this episode's market: `satisfaction`, `cost`, `max_price`,
                `min_steps`, `max_steps`, `capacity`. Unknown names warn. They hold to the end of
                the episode, but for a `satisfaction` in a market that moves: a drift starts from
                it, and a newcomer or a market drawn again has another.

        Raises:
            TypeError, ValueError: an option with a bad value, or one that would leave the spaces.
        """
        self._begin(seed, options)
        self.agents = self.possible_agents[:]
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        self.agent_selection = self.agents[0]
        self._turn = 0
        self._asked: list[float] = []
        self._paid = False
        self._stepped = True

    def step(self, action: Any) -> None:
        """Play the turn of `agent_selection`.

        Args:
            action: of the agent's action space. Finite values outside are clipped, with
                PettingZoo's warning. None once the episode is over.

        Raises:
            AssertionError: before the first reset.
            TypeError, ValueError: NaN, infinity, a wrong shape or type.
        """
        turn = self._turn
        if turn < 0:
            return self._step_out_of_play(action)
        if self._leads[turn]:
            self._episode.post(self._prices.read(action))
            if self._paid:
                self.rewards = dict.fromkeys(self.agents, 0.0)
                self._paid = False
        else:
            self._asked.append(self._purchases.read(action))
        self._stepped = True
        agents = self.possible_agents
        self._cumulative_rewards[agents[turn]] = 0.0
        turn += 1
        if turn == len(agents):
            self._end_round()
        else:
            self._turn = turn
            self.agent_selection = agents[turn]
        return None

    def _end_round(self) -> None:
        agents = self.possible_agents
        rewards, infos = self._settle(self._asked)
        self.rewards = dict(zip(agents, rewards, strict=True))
        self._cumulative_rewards = self.rewards.copy()
        self.infos = dict(zip(agents, infos, strict=True))
        self.agent_selection = agents[0]
        self._turn = 0
        self._asked = []
        self._paid = True
        if self._episode.round >= self.max_cycles:
            self.truncations = dict.fromkeys(agents, True)
            self._turn = -1

    def _step_out_of_play(self, action: Any) -> None:
        """Before the first reset, or when the episode is over and agents only leave.

        All agents are truncated together, so they leave in order and no search for the next one to
        leave is needed, which would make the end of an episode quadratic in K.
        """
        if self._episode is None:
            EnvLogger.error_step_before_reset()
        self._stepped = True
        if not self.agents:
            EnvLogger.warn_step_after_terminated_truncated()
            return
        if action is not None:
            raise ValueError("when an agent is dead, the only valid action is None")
        if self._paid:
            self.rewards = dict.fromkeys(self.agents, 0.0)
            self._paid = False
        agent = self.agents.pop(0)
        for of_agent in (
            self.rewards,
            self._cumulative_rewards,
            self.terminations,
            self.truncations,
            self.infos,
        ):
            del of_agent[agent]
        if self.agents:
            self.agent_selection = self.agents[0]

    def observe(self, agent: str) -> np.ndarray:
        """What an agent sees now, in memory of its own.

        Raises:
            AssertionError: before the first reset.
        """
        if self._rng is None:
            EnvLogger.error_observe_before_reset()
        episode = self._episode
        role, number = self._seats[agent]
        return episode.asp_observation() if role == LEADER else episode.vmu_observation(number)

    # A generator is twice as fast as PettingZoo's iterable of iterators.
    def agent_iter(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, max_iter: int = 2**63
    ) -> Iterator[str]:
        """Agents in the order of their turns, until the episode is over or `max_iter` turns."""
        if self._episode is None:
            EnvLogger.error_agent_iter_before_reset()
        return self._turns(max_iter)

    def _turns(self, max_iter: int) -> Iterator[str]:
        while self.agents and max_iter > 0:
            assert self._stepped, "need to call step() or reset() in a loop over `agent_iter`"
            self._stepped = False
            max_iter -= 1
            yield self.agent_selection

    def state(self) -> np.ndarray:
        """The full state for centralised training: all that is hidden, the price, the history.

        Returns:
            (K + 1 + n·(K + 1),) float32, or wider, in the units of observations: see `state_space`
            and the observations above.
        """
        if self._rng is None:
            EnvLogger.error_state_before_reset()
        return self._episode.state()

    def render(self) -> str | np.ndarray | None:
        """The last round: text, a frame (640, 960, 3) uint8, or None in mode "human".

        The window of mode "human" shows every round by itself.
        """
        if self._episode is None:
            EnvLogger.error_render_before_reset()
        return self._show()


def env(**arguments: Any) -> raw_env:
    """The AEC environment with the promises of PettingZoo's standard wrappers.

    Order enforcement and clipping, with PettingZoo's own errors and warnings, are kept inside
    `raw_env`: the wrappers would cost three times as much as the game.
    """
    return raw_env(**arguments)
