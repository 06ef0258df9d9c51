"""The market games as tasks of BenchMARL (extra `benchmarl`).

`MarketTask` lists them. Importing this package without the extra `benchmarl` raises ImportError.
"""

try:
    import benchmarl  # noqa: F401 (whether it is there)
except ImportError as error:
    raise ImportError(
        f"aigc_market.benchmarl needs BenchMARL: pip install 'aigc-market[benchmarl]' ({error})"
    ) from error

from aigc_market.benchmarl.tasks import MarketClass, MarketTask

__all__ = ["MarketClass", "MarketTask"]
