"""Thousands of games at once, both sides learning, on tensors (extra `torchrl`).

Importing this package without the extra `torchrl` raises ImportError.
"""

from aigc_market._checks import needed

with needed("torchrl", "aigc_market.torchrl needs TorchRL"):
    import torchrl  # noqa: F401 (whether it is there)

from aigc_market.torchrl.market_env import MarketEnv

__all__ = ["MarketEnv"]
