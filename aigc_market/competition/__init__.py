"""Several providers that compete on price for the same VMUs: rules, equilibria, the cartel."""

from aigc_market.competition.collusion import Cartel, cartel
from aigc_market.competition.deviation import (
    Deviation,
    best_deviation,
    deviation_gains,
    nash_conv,
)
from aigc_market.competition.metrics import ProfitGain, price_grid, profit_gain
from aigc_market.competition.nash_equilibrium import Nash, nash
from aigc_market.market import Competition
from aigc_market.rules import PairSettlement as Settlement
from aigc_market.rules import Response, respond
from aigc_market.rules import settle_pairs as settle

__all__ = [
    "Cartel",
    "Competition",
    "Deviation",
    "Nash",
    "ProfitGain",
    "Response",
    "Settlement",
    "best_deviation",
    "cartel",
    "deviation_gains",
    "nash",
    "nash_conv",
    "price_grid",
    "profit_gain",
    "respond",
    "settle",
]
