"""Several providers that compete on price for the same VMUs: rules, equilibria, the cartel."""

from aigc_market.competition.game import Response, Settlement, respond, settle
from aigc_market.competition.market import Competition

__all__ = ["Competition", "Response", "Settlement", "respond", "settle"]
