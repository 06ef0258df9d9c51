"""The ASP's view of many markets at once: a Gymnasium vector environment with scripted VMUs."""

from __future__ import annotations

from typing import Any

from aigc_market import _checks, vmus
from aigc_market.envs.lane_views import LanesVectorEnv
from aigc_market.envs.lanes import Lanes
from aigc_market.equilibrium import Equilibrium
from aigc_market.market import Market


class PricingVectorEnv(LanesVectorEnv):
    """A batch of `PricingEnv`, played as arrays without a loop over environments or VMUs.

    All lanes begin and end together. Autoreset is `SAME_STEP`: the step that ends the episodes
    returns the first observations of the next ones, and `infos["final_obs"]` and
    `infos["final_info"]` those of the end. Draws come from one generator for the whole batch.
    All arrays that are handed out are the caller's own.

    Args:
        num_envs: N.
        vmus: a follower policy or its name, as for `PricingEnv`.
        judged: whether infos hold `equilibrium_price`, `equilibrium_utility` and `regret`. Where
            the market moves these cost more than the round itself; without them `judgement` tells
            them of the rounds for which it is asked.
        arguments: as for `PricingEnv`.
    """

    def __init__(
        self,
        num_envs: int = 1,
        vmus: str | vmus.FollowerPolicy | None = None,
        judged: bool = True,
        **arguments: Any,
    ) -> None:
        num_envs = _checks.integer("num_envs", num_envs, at_least=1)
        super().__init__(Lanes((num_envs,), vmus, arguments), judged)

    @property
    def market(self) -> Market:
        """The markets in force, a batch where they differ."""
        return self._lanes.market

    @property
    def equilibrium(self) -> Equilibrium:
        """The exact equilibria of `market`."""
        return self._lanes.equilibrium
