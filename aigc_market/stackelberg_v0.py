"""The game's versioned module, laid out as PettingZoo's own: `env`, `raw_env`, `parallel_env`."""

from aigc_market.envs.pages.aec import env, raw_env
from aigc_market.envs.pages.parallel import parallel_env

__all__ = ["env", "parallel_env", "raw_env"]
