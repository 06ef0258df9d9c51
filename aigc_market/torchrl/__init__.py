"""Thousands of games at once, both sides learning, on tensors (extra `torchrl`).

Importing this package without the extra `torchrl` raises ImportError.
"""

try:
    import torchrl  # noqa: F401 (whether it is there)
except ImportError as error:
    raise ImportError(
        f"aigc_market.torchrl needs TorchRL: pip install 'aigc-market[torchrl]' ({error})"
    ) from error

from aigc_market.torchrl.market_env import MarketEnv

__all__ = ["MarketEnv"]
