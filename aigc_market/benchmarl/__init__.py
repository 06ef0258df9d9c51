"""The market games as tasks of BenchMARL (extra `benchmarl`).

`MarketTask` lists them. Importing this package without the extra `benchmarl` raises ImportError.
"""

from aigc_market._checks import needed

with needed("benchmarl", "aigc_market.benchmarl needs BenchMARL"):
    import benchmarl  # noqa: F401 (whether it is there)

from aigc_market.benchmarl.tasks import MarketClass, MarketTask

__all__ = ["MarketClass", "MarketTask"]
