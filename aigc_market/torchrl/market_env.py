"""The market games as one environment of TorchRL, thousands of them at once on tensors."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from gymnasium.spaces import Box, Discrete
from tensordict import TensorDict, TensorDictBase
from torchrl.data import (
    Bounded,
    Categorical,
    Composite,
    MultiCategorical,
    TensorSpec,
    Unbounded,
)
from torchrl.envs import EnvBase

from aigc_market import _checks
from aigc_market.distributions import function_in
from aigc_market.envs.competition import CompetitionGame
from aigc_market.envs.game import FOLLOWER, LEADER, Game
from aigc_market.envs.menus import MenuGame
from aigc_market.envs.stackelberg import Stackelberg
from aigc_market.ssim import LiveSSIM
from aigc_market.torchrl.draws import Draws
from aigc_market.torchrl.games import STATE, Games

_GAMES: dict[str, type[Game]] = {
    "stackelberg": Stackelberg,
    "competition": CompetitionGame,
    "menus": MenuGame,
}


class MarketEnv(EnvBase):
    """N market games side by side on tensors, for both sides to learn in (TorchRL).

    ## Description

    Each of the N games is that of the parallel environment, `aigc_market.parallel_env`: in a step
    all followers (VMUs, the users) answer the prices in force, while the leaders (ASPs, the
    providers) post those of the next step. A step of all games is a few dozen operations on tensors
    of N rows, on any device, and nothing in it waits for that device.

    ## Arguments

    Those that `aigc_market.parallel_env` describes, and

    | name | default | unit | meaning |
    |---|---|---|---|
    | `num_envs` | required | | N, how many games |
    | `game` | "stackelberg" | | one provider; "competition", several; "menus", one by contract |
    | `device` | "cpu" | | where all tensors live |
    | `dtype` | torch.float32 | | torch.float64, for gradients to compare with differences |
    | `state` | True | | whether observations hold the full state, for centralised critics |
    | `infos` | False | | whether a step gives infos too |
    | `differentiable` | False | | whether what a step gives carries gradients to actions |
    | `seed` | None | | as for `set_seed`; None: drawn from torch's global generator |

    Compiled code (`torch.compile`) draws from torch's generator itself. With several providers and
    `judged=True` the Nash equilibrium and the cartel are solved by NumPy at each reset, and in each
    step where the market moves, which waits for the device. The SSIM model (image quality by steps)
    cannot be live: images are not batched over games. Nor can a function draw δ, what quality is
    worth to a VMU, for it draws by NumPy. Where VMUs are scripted (`followers="best_response"`)
    there is no group `vmu`.

    ## Actions

    As `aigc_market.parallel_env` describes them, of every game and agent.

    `("asp", "action")`, (N, M, 1), and `("vmu", "action")`, (N, K, 1) or with a weight and steps
    for each provider; indices where `continuous_actions=False`, (N, M) and (N, K, …). Of contracts
    (N, 1, 2L) numbers, or indices, and (N, K) indices. What is out of bounds is clipped without a
    warning, and nothing is checked, which would wait for the device: NaN goes in and comes out.

    ## Observations

    As `aigc_market.parallel_env` describes them, of every game and agent.

    `("asp", "observation")`, (N, M, …), `("vmu", "observation")`, (N, K, …), and `state`, (N, …).
    Where VMUs come and go also `("vmu", "active")`, (N, K) bool.

    ## Rewards

    As `aigc_market.parallel_env` describes them, of every game and agent.

    `("asp", "reward")`, (N, M, 1), and `("vmu", "reward")`, (N, K, 1). A leader's price is paid
    one step later.

    ## Infos

    None by default; with `infos=True` those of `aigc_market.parallel_env`, under
    `(group, "info", name)`.

    ## Start

    `reset(options={…})` takes what the parallel environment's reset does, one value for all games
    or (N, …).

    ## End

    All games begin and end together: after `max_cycles` steps they are truncated, and a reset
    begins all of them anew.

    ## Version history

    * v0: first release.
    """

    def __init__(
        self,
        num_envs: int,
        game: str = "stackelberg",
        device: Any = "cpu",
        *,
        dtype: torch.dtype = torch.float32,
        state: bool = True,
        infos: bool = False,
        differentiable: bool = False,
        seed: int | None = None,
        **arguments: Any,
    ) -> None:
        N = _checks.integer("num_envs", num_envs, at_least=1)
        game_class = _GAMES[_checks.choice("game", game, _GAMES)]
        if dtype not in (torch.float32, torch.float64):
            raise ValueError(f"dtype must be torch.float32 or torch.float64, got {dtype!r}")
        told = _checks.flag("infos", infos)
        self._with_state = _checks.flag("state", state)
        self._differentiable = _checks.flag("differentiable", differentiable)
        device = _device(device)
        self.settings = settings = _settings(game_class, arguments)
        super().__init__(device=device, batch_size=torch.Size([N]))
        self.dtype, self._game = dtype, game
        self._draws = Draws(device, dtype)
        self._games = Games(
            game_class(settings, scripted=False), N, self._draws, self._with_state, told
        )
        agents = {LEADER: self._games.game.M}
        if self._games.answered:
            agents[FOLLOWER] = settings.market.K
        self.group_map = {
            role: [f"{role}_{i}" for i in range(count)] for role, count in agents.items()
        }
        self._agents = agents
        self._make_specs(told)
        # What seeds torch seeds this too.
        self.set_seed(int(torch.randint(2**62, (), device="cpu")) if seed is None else seed)

    def _make_specs(self, told: bool) -> None:
        games, N, self._told = self._games, self.num_envs, told
        flag: dict[str, Any] = {"device": self.device, "dtype": torch.bool}
        infos = games.untold() if told else {}
        acted = {LEADER: games.game.prices[0].space, FOLLOWER: games.game.choices.space}
        observed, actions, rewards = (Composite(shape=(N,)) for _ in range(3))
        for group, count in self._agents.items():
            shape = N, count
            sees = self._bounded(games.viewers[group].bounds, *shape)
            observed[group] = seen = Composite(observation=sees, shape=shape)
            if group == FOLLOWER and self.settings.masked:
                seen["active"] = Categorical(2, torch.Size(shape), **flag)
            if told:
                specs = {name: _like(value) for name, value in infos[group].items()}
                seen["info"] = Composite(specs, shape=shape)
            actions[group] = Composite(action=self._spec(acted[group], *shape), shape=shape)
            reward = Unbounded(torch.Size((*shape, 1)), device=self.device, dtype=self.dtype)
            rewards[group] = Composite(reward=reward, shape=shape)
        if self._with_state:
            observed[STATE] = self._bounded(games.viewers[STATE].bounds, N)
        self._action_shapes = {group: actions[group, "action"].shape for group in self._agents}
        self.observation_spec, self.action_spec, self.reward_spec = observed, actions, rewards
        names = ("done", "terminated", "truncated")
        ends = {name: Categorical(2, torch.Size((N, 1)), **flag) for name in names}
        self.done_spec = Composite(ends, shape=(N,))

    def _spec(self, space: Any, *shape: int) -> TensorSpec:
        """Of a flat space of Gymnasium's, once for each place of a shape."""
        if isinstance(space, Box):
            return self._bounded((space.low, space.high), *shape)
        if isinstance(space, Discrete):
            return Categorical(int(space.n), torch.Size(shape), device=self.device)
        levels = torch.as_tensor(space.nvec, device=self.device)
        return MultiCategorical(levels, torch.Size((*shape, len(levels))), device=self.device)

    def _bounded(self, bounds: tuple[Any, Any], *shape: int) -> TensorSpec:
        """Of numbers within flat bounds, once for each place of a shape."""
        kind: dict[str, Any] = {"device": self.device, "dtype": self.dtype}
        low, high = (torch.as_tensor(bound, **kind).expand(*shape, -1) for bound in bounds)
        return Bounded(low, high, low.shape, **kind)

    @property
    def num_envs(self) -> int:
        """N."""
        return self.batch_size[0]

    @property
    def market(self) -> Any:
        """The markets in force, of tensors; before the first episode, the one of the arguments."""
        return self._games.market

    def __repr__(self) -> str:
        scenario = self.settings.scenario.name
        return (
            f"{type(self).__name__}({self.num_envs}, {self._game!r}, {str(self.device)!r}, "
            f"scenario={scenario!r}, agents={self._agents})"
        )

    def detach(self) -> None:
        """Cut the way of gradients to earlier rounds, between two backward passes."""
        self._games.detach()

    def to(self, device: Any) -> MarketEnv:  # pyright: ignore[reportIncompatibleMethodOverride]
        """This environment, if it is on the device already.

        Raises:
            ValueError: it is on another.
        """
        if torch.empty(0, device=device).device != self.device:
            raise ValueError(
                f"device must be {str(self.device)!r}, where the games were made "
                f"(make them where they are played), got {device!r}"
            )
        return self

    def _set_seed(self, seed: int | None) -> None:
        if seed is None:
            return
        if _checks.integer("seed", seed, at_least=0) >= 2**64:
            raise ValueError(f"seed must be below 2**64, got {seed!r}")
        self._draws.seed(seed)

    def _reset(
        self,
        tensordict: TensorDictBase | None = None,
        options: dict[str, Any] | None = None,
        **given: Any,
    ) -> TensorDictBase:
        if given:
            raise TypeError(f"reset takes options={{…}}, got {', '.join(given)}")
        asked = None if tensordict is None else tensordict.get("_reset", None)
        if asked is not None and not bool(asked.all()):
            raise ValueError(
                "_reset must be true for all games, which begin and end together, "
                f"got {int(asked.sum())} of {self.num_envs}"
            )
        with self._gradients():
            self._games.begin(options)
            return self._tell({}, None, self._games.untold() if self._told else {})

    def _step(self, tensordict: TensorDictBase) -> TensorDictBase:
        with self._gradients():
            choices = self._action(tensordict, FOLLOWER) if FOLLOWER in self._agents else None
            played = self._games.play(self._action(tensordict, LEADER), choices)
            return self._tell(*played)

    def _action(self, tensordict: TensorDictBase, group: str) -> torch.Tensor:
        action, shape = tensordict.get((group, "action"), None), self._action_shapes[group]
        if action is None or action.shape != shape:
            got = "none" if action is None else f"one of shape {tuple(action.shape)}"
            raise ValueError(f"({group!r}, 'action') must have shape {tuple(shape)}, got {got}")
        return action.to(self.dtype) if action.is_floating_point() else action

    def _gradients(self) -> Any:
        return contextlib.nullcontext() if self._differentiable else torch.no_grad()

    def _tell(
        self,
        rewards: dict[str, torch.Tensor],
        over: torch.Tensor | None,
        infos: dict[str, dict[str, torch.Tensor]],
    ) -> TensorDict:
        """What agents see and earn, and whether it is over (None: it has just begun)."""
        games, N = self._games, self.num_envs
        seen = games.seen()
        parts: dict[str, Any] = {STATE: seen.pop(STATE)} if self._with_state else {}
        for group, observation in seen.items():
            shape = N, self._agents[group]
            told: dict[str, Any] = {"observation": observation}
            if group in rewards:
                told["reward"] = rewards[group][..., None]
            if group in infos:
                # Fresh memory: nothing written into what is told may come back into the games.
                fresh = {name: value.clone() for name, value in infos[group].items()}
                told["info"] = TensorDict(fresh, shape, device=self.device)
            if group == FOLLOWER and games.active is not None:
                told["active"] = games.active.clone()
            parts[group] = TensorDict(told, shape, device=self.device)
        never = torch.zeros((N, 1), dtype=torch.bool, device=self.device)
        ends = never.clone() if over is None else over.expand(N, 1).clone()
        parts |= {"done": ends, "truncated": ends.clone(), "terminated": never}
        return TensorDict(parts, (N,), device=self.device)


def _settings(game_class: type[Game], arguments: dict[str, Any]) -> Any:
    settings = game_class.settings_class.make(_view=MarketEnv, **arguments)
    market = settings.market
    if any(isinstance(model, LiveSSIM) for model in market.models):
        raise ValueError(
            "ssim must not be live: images are not batched over games "
            f"(calibrate a TabulatedSSIM from it), got {market.ssim!r}"
        )
    for name in ("satisfaction", "ssim", "capacity"):
        law = getattr(settings, name)
        drawn = function_in(law)
        if drawn is not None:
            raise ValueError(
                f"{name} must be numbers or made of laws such as Uniform: what a function of a "
                f"NumPy generator draws is no tensor, got {drawn.function!r}"
            )
    if settings.render_mode is not None:
        raise ValueError(
            "render_mode must be None: games on tensors are not drawn (the parallel environment "
            f"is), got {settings.render_mode!r}"
        )
    return settings


def _like(example: torch.Tensor) -> TensorSpec:
    return Unbounded(example.shape, dtype=example.dtype, device=example.device)


def _device(device: Any) -> torch.device:
    try:
        found = torch.empty(0, device=torch.device(device)).device
        torch.Generator(found)
    except (TypeError, RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device must be one that torch has on this machine, such as 'cpu', got {device!r}"
        ) from error
    return found
