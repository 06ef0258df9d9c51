"""One provider's view of many markets at once: a Gymnasium vector environment."""

from __future__ import annotations

from typing import Any

from aigc_market import _checks
from aigc_market.competition import Competition
from aigc_market.envs.competition.oracle import Oracle
from aigc_market.envs.competition.rival_lanes import RivalLanes, Rivals
from aigc_market.envs.lane_views import LanesVectorEnv


class RivalVectorEnv(LanesVectorEnv):
    """A batch of `RivalEnv`, played as arrays without a loop over environments, providers or VMUs.

    All lanes begin and end together. Autoreset is `SAME_STEP`: the step that ends the episodes
    returns the first observations of the next ones, and `infos["final_obs"]` and
    `infos["final_info"]` those of the end. Draws come from one generator for the whole batch.
    All arrays that are handed out are the caller's own.

    Args:
        num_envs: N.
        seat: the provider's, as for `RivalEnv`.
        rivals: their policies, as for `RivalEnv`.
        arguments: as for `RivalEnv`. With `judged=False` `judgement` tells what Nash and cartel
            would have earned, of the rounds for which it is asked.
    """

    def __init__(
        self, num_envs: int = 1, seat: int = 0, rivals: Rivals = "nash", **arguments: Any
    ) -> None:
        num_envs = _checks.integer("num_envs", num_envs, at_least=1)
        lanes = RivalLanes((num_envs,), seat, rivals, arguments)
        super().__init__(lanes, lanes.settings.judged)

    @property
    def market(self) -> Competition:
        """The markets in force, a batch where they differ."""
        return self._lanes.market

    @property
    def oracle(self) -> Oracle:
        """The Nash equilibria and cartels of `market`, solved when they are first asked for."""
        return self._lanes.oracle
