"""The game of several providers: `env`, `raw_env`, `parallel_env`, as in PettingZoo's modules."""

from aigc_market.envs.pages.competition_aec import env, raw_env
from aigc_market.envs.pages.competition_parallel import parallel_env

__all__ = ["env", "parallel_env", "raw_env"]
