"""Thousands of games at once, both sides learning, on tensors (extra `torchrl`)."""

from aigc_market.torchrl.market_env import MarketEnv

__all__ = ["MarketEnv"]
