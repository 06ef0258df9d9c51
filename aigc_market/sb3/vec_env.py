"""From a Gymnasium vector environment to Stable-Baselines3's `VecEnv`.

SB3 does not take Gymnasium's own: it wants the last observation of an episode and whether it was
cut short in the infos of the step that ends it, and the first observation of the next episode in
its place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices

from aigc_market.envs.batch import LeaderVectorEnv


class GymnasiumVecEnv(VecEnv):
    """A `gymnasium.vector.VectorEnv` with `SAME_STEP` autoreset, as an SB3 `VecEnv`.

    Args:
        vector_env: what is adapted. It is seeded as a whole: `seed(s)` passes s on. One of this
            package, as it was made, is set to that mode.
        infos: whether a lane gets the environment's infos. Laying out thousands of dicts takes
            longer than a round of the pricing game; without them a lane gets only what SB3 itself
            reads at an episode's end, `terminal_observation` and `TimeLimit.truncated`.

    Raises:
        ValueError: another autoreset mode, in an environment of others or under a wrapper.
    """

    def __init__(self, vector_env: VectorEnv[Any, Any, Any], infos: bool = True) -> None:
        if isinstance(vector_env, LeaderVectorEnv):
            vector_env.autoreset_mode = AutoresetMode.SAME_STEP
        mode = vector_env.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(
                "vector_env must be made with autoreset_mode=AutoresetMode.SAME_STEP, which SB3 "
                f"needs, got {mode}"
            )
        self.vector_env = vector_env
        self._infos = infos
        super().__init__(
            vector_env.num_envs,
            vector_env.single_observation_space,
            vector_env.single_action_space,
        )

    def reset(self) -> np.ndarray:
        """Begin an episode in every lane, with the seed and options set before, if any."""
        observations, infos = self.vector_env.reset(
            seed=self._seeds[0], options=self._options[0] or None
        )
        self.reset_infos = self._split(infos)
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Step all lanes."""
        observations, rewards, terminations, truncations, infos = self.vector_env.step(
            self._actions
        )
        dones = terminations | truncations
        lanes = self._split({name: infos[name] for name in infos if name not in _OF_THE_END})
        if dones.any():
            last, final = infos["final_obs"], self._split(infos["final_info"])
            for lane in np.flatnonzero(dones):
                cut = bool(truncations[lane] and not terminations[lane])
                ending = {"terminal_observation": last[lane], "TimeLimit.truncated": cut}
                lanes[lane] = final[lane] | ending
        return observations, rewards, dones, lanes

    def close(self) -> None:
        """Close the vector environment."""
        self.vector_env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The vector environment's attribute, once for each lane asked for."""
        return [getattr(self.vector_env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the vector environment, which all lanes share."""
        self._whole(indices)
        setattr(self.vector_env, attr_name, value)

    def env_method(
        self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Call a method of the vector environment, which all lanes share."""
        self._whole(indices)
        return [getattr(self.vector_env, method_name)(*args, **kwargs)] * self.num_envs

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """No lane has wrappers of its own."""
        return [False] * len(list(self._get_indices(indices)))

    def _whole(self, indices: VecEnvIndices) -> None:
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise ValueError(f"indices must name all lanes, which act as one, got {indices!r}")

    def _split(self, infos: dict[str, Any]) -> list[dict[str, Any]]:
        """Infos of arrays (Gymnasium's form) as one dict for each lane (SB3's)."""
        lanes: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for name, column in infos.items() if self._infos else ():
            if name.startswith("_"):
                continue
            if column.ndim == 1 and column.dtype != object:
                column = column.tolist()  # numbers as Python's, rows as they are
            mask = infos.get(f"_{name}")
            for i in range(self.num_envs) if mask is None else np.flatnonzero(mask).tolist():
                lanes[i][name] = column[i]
        return lanes


_OF_THE_END = {"final_obs", "final_info", "_final_obs", "_final_info"}
