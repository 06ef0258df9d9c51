"""The game of contracts: `env`, `raw_env`, `parallel_env`, as in PettingZoo's modules."""

from aigc_market.envs.pages.menus_aec import env, raw_env
from aigc_market.envs.pages.menus_parallel import parallel_env

__all__ = ["env", "parallel_env", "raw_env"]
