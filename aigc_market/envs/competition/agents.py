"""What the AEC and the parallel environment of several providers have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from aigc_market.competition import Cartel, Competition, Nash
from aigc_market.envs.agents import Agents
from aigc_market.envs.competition.actions import ChoiceReader
from aigc_market.envs.competition.episode import Episode
from aigc_market.envs.competition.observation import ObservationSpaces
from aigc_market.envs.competition.oracle import Oracle
from aigc_market.envs.competition.provider import price_actions
from aigc_market.envs.competition.settings import Settings
from aigc_market.envs.seats import FOLLOWER, LEADER, Seat
from aigc_market.envs.view_settings import RENDER_FPS, RENDER_MODES


class CompetitionAgents(Agents):
    """M leaders, and K followers unless they are scripted; arguments are those of `Settings`."""

    metadata: dict[str, Any] = {  # noqa: RUF012 (PettingZoo's type)
        "name": "competition_v0",
        "render_modes": RENDER_MODES,
        "render_fps": RENDER_FPS,
        "is_parallelizable": False,
    }
    settings_class: ClassVar[type[Settings]] = Settings
    episode_class: ClassVar[type[Episode]] = Episode

    def _seat_agents(self, parallel: bool) -> Any:
        settings = self.settings
        spaces = ObservationSpaces(settings)
        self._prices = [price_actions(settings, m) for m in range(settings.market.M)]
        answered = settings.policy is None
        seen = spaces.parallel_asp if parallel and answered else spaces.asp
        for m, prices in enumerate(self._prices):
            self._seat(Seat(LEADER, m), prices, seen, prices.space)
        self._choices = ChoiceReader(settings)
        if answered:
            for k in range(settings.market.K):
                acts = self._choices.make_space()
                self._seat(Seat(FOLLOWER, k), self._choices, spaces.vmu, acts)
        return spaces.state

    def _limit(self, market: Competition) -> None:
        bounds = zip(self._prices, market.cost.tolist(), market.max_price.tolist(), strict=True)
        for prices, cost, max_price in bounds:
            prices.limit(cost, max_price)
        self._choices.limit(market.min_steps, market.max_steps)

    @property
    def market(self) -> Competition:
        """The market in force; before the first episode, the one the arguments describe."""
        return self._episode.market if self._episode else self.settings.market

    @property
    def nash(self) -> Nash:
        """The providers' Nash equilibrium in `market`, with its certificate."""
        return self._oracle.nash

    @property
    def cartel(self) -> Cartel:
        """What the providers of `market` would do together."""
        return self._oracle.cartel

    @property
    def _oracle(self) -> Oracle:
        return self._episode.oracle if self._episode else self.settings.oracle
