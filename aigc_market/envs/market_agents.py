"""What the AEC and the parallel environment of one provider's game have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from aigc_market.envs.actions import asp_actions, vmu_actions
from aigc_market.envs.agents import Agents
from aigc_market.envs.episode import Episode
from aigc_market.envs.observation import ObservationSpaces
from aigc_market.envs.seats import FOLLOWER, LEADER, Seat
from aigc_market.envs.settings import Settings
from aigc_market.envs.view_settings import RENDER_FPS, RENDER_MODES
from aigc_market.equilibrium import Equilibrium
from aigc_market.market import Market


class MarketAgents(Agents):
    """One leader and K followers; keyword arguments are those of `Settings`."""

    metadata: dict[str, Any] = {  # noqa: RUF012 (PettingZoo's type)
        "name": "stackelberg_v0",
        "render_modes": RENDER_MODES,
        "render_fps": RENDER_FPS,
        "is_parallelizable": False,
    }
    settings_class: ClassVar[type[Settings]] = Settings
    episode_class: ClassVar[type[Episode]] = Episode

    def _seat_agents(self, parallel: bool) -> Any:
        settings = self.settings
        spaces = ObservationSpaces(settings)
        self._prices, self._purchases = asp_actions(settings), vmu_actions(settings)
        seen = spaces.parallel_asp if parallel else spaces.asp
        self._seat(Seat(LEADER, 0), self._prices, seen, self._prices.space)
        for k in range(settings.market.K):
            # Sampling must be independent from VMU to VMU, so each has a space of its own.
            acts = vmu_actions(settings).space
            self._seat(Seat(FOLLOWER, k), self._purchases, spaces.vmu, acts)
        return spaces.state

    def _limit(self, market: Market) -> None:
        self._prices.limit(market.cost, market.max_price)
        self._purchases.limit(market.min_steps, market.max_steps)

    @property
    def market(self) -> Market:
        """The market in force; before the first episode, the one the arguments describe."""
        return self._episode.market if self._episode else self.settings.market

    @property
    def equilibrium(self) -> Equilibrium:
        """The exact equilibrium of `market`."""
        return self._episode.equilibrium if self._episode else self.settings.equilibrium
