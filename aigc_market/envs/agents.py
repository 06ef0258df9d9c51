"""What all multi-agent environments have in common: agents, spaces, seeds, rendering."""

from __future__ import annotations

from typing import Any, ClassVar

from gymnasium.spaces import Space
from gymnasium.utils import seeding

from aigc_market.envs.game import FOLLOWER, LEADER, Game
from aigc_market.envs.market_process import MarketProcess
from aigc_market.envs.view import View, screen


class Agents(View):
    """A base of the multi-agent environments of any game.

    Leaders come first, then followers, if these are agents.
    """

    game_class: ClassVar[type[Game]]

    def _set_up(self, arguments: dict[str, Any], simultaneous: bool) -> None:
        game_class = self.game_class
        self.settings: Any = game_class.settings_class.make(**arguments)
        game: Any = game_class(self.settings, scripted=False)
        self._game = game
        self.max_cycles = self.settings.max_cycles
        self.render_mode = mode = self.settings.render_mode
        self._screen = screen(mode)
        self._leaders, self._answered = game.M, game.policy is None
        # Followers that answer at once leave no price in force between two rounds.
        self._in_force = simultaneous and self._answered
        self._readers = [*game.prices, *[game.choices] * (game.K * self._answered)]
        self.possible_agents = [f"{LEADER}_{m}" for m in range(game.M)]
        seen = (game.leader_in_force if self._in_force else game.leader).space
        spaces: list[Any] = [(seen, reader.space) for reader in game.prices]
        if self._answered:
            self.possible_agents += [f"{FOLLOWER}_{k}" for k in range(game.K)]
            spaces += [(game.follower.space, game.make_choice_space()) for _ in range(game.K)]
        self._numbers = {agent: i for i, agent in enumerate(self.possible_agents)}
        self.observation_spaces: dict[str, Space[Any]] = {
            agent: seen for agent, (seen, _) in zip(self.possible_agents, spaces, strict=True)
        }
        self.action_spaces: dict[str, Space[Any]] = {
            agent: acts for agent, (_, acts) in zip(self.possible_agents, spaces, strict=True)
        }
        self.state_space: Any = game.state.space
        # Plain attributes: a cached property would make all attributes slower.
        self._rng: Any = None  # a numpy.random.Generator from the first reset on
        self._episode: Any = None  # an episode of the game, likewise
        self._scales: Any = None  # of the leaders' rewards, likewise

    def _begin(self, seed: int | None, options: dict[str, Any] | None, *other: str) -> None:
        """Begin an episode; where an option is refused, the last one and its stream go on.

        `other` options are read by `_take_options`.
        """
        rng: Any = self._rng
        if seed is not None or rng is None:
            rng, _ = seeding.np_random(seed)
        if self._scales is None:
            self._scales = self._game.leader_scales()
        before = rng.bit_generator.state
        try:
            process = MarketProcess(self.settings, rng, options, (), other)
            self._take_options(options or {}, process.market)
            episode = self._game.episode_class(self._game, process, rng, self._scales, None)
        except Exception:
            rng.bit_generator.state = before
            raise
        self._rng, self._episode = rng, episode
        market = process.market
        self._game.limit(market)
        self._game.choices.limit(market.min_steps, market.max_steps)
        self._take_frame()

    def _take_options(self, options: dict[str, Any], market: Any) -> None:
        """Read the options that are no parameters of the market, before anything changes."""

    def _settle(self, choices: list[Any]) -> None:
        episode = self._episode
        last = episode.round + 1 >= self.max_cycles
        episode.settle(choices if self._answered else None, last)
        self._take_frame()

    def observation_space(self, agent: str) -> Space[Any]:
        """The agent's observation space, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Space[Any]:
        """The agent's action space, always the same object."""
        return self.action_spaces[agent]
