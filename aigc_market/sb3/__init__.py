"""For Stable-Baselines3: two policies, and an adapter, for any environment of Gymnasium's.

`TransformerPolicy` is an actor-critic policy on an encoder–decoder transformer, for observations
that are a flat history of equal rows. `DiffusionPolicy` is one for TD3 that denoises its action in
a few steps. `GymnasiumVecEnv` is a vector environment of Gymnasium's as a `VecEnv` of SB3's.
Importing this package without the extra `sb3` raises ImportError.
"""

from aigc_market._checks import needed

with needed("sb3", "aigc_market.sb3 needs Stable-Baselines3"):
    import stable_baselines3  # noqa: F401 (whether it is there)

from aigc_market.sb3.diffusion import DiffusionActor, DiffusionPolicy
from aigc_market.sb3.transformer import EncoderDecoder, TransformerPolicy
from aigc_market.sb3.vec_env import GymnasiumVecEnv

__all__ = [
    "DiffusionActor",
    "DiffusionPolicy",
    "EncoderDecoder",
    "GymnasiumVecEnv",
    "TransformerPolicy",
]
