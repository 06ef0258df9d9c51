"""The environments' keyword arguments, as options of the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aigc_market import LogUniform, Uniform
from aigc_market.ssim import TabulatedSSIM
from aigc_market.ssim.tabulated import ssim_column

_DISTRIBUTIONS = {"uniform": Uniform, "loguniform": LogUniform}


@dataclass(frozen=True)
class EnvArguments:
    """Arguments of the environment. Those left out take the scenario's values."""

    K: int | None = None
    """Number of VMUs (followers)."""
    cost: float | None = None
    """What a step costs the ASP (leader)."""
    max_price: float | None = None
    """Highest unit price."""
    satisfaction: tuple[str, ...] | None = None
    """δ: one number, K numbers, or a distribution: `uniform 80 400`, `loguniform 80 400`."""
    min_steps: float | None = None
    """Fewest steps that a VMU may buy."""
    max_steps: float | None = None
    """Most steps that a VMU may buy."""
    capacity: float | None = None
    """Steps that can be run in a round."""
    ssim: str | None = None
    """`quadratic`, or the path of a CSV file with columns `steps` and `ssim`."""
    history: int | None = None
    """Rounds observed."""
    max_cycles: int | None = None
    """Rounds of an episode."""
    scenario: str | None = None
    """Name of a scenario."""
    followers: str | None = None
    """Name of the scripted followers."""
    continuous_actions: bool | None = None
    """False for a grid of prices."""
    normalize: bool | None = None
    """Actions in [−1, 1] and observations in [0, 1]; learners have it on by default."""
    scale_rewards: bool | None = None
    """Rewards over the equilibrium's; learners have it on by default."""
    vmu_reward: Literal["surplus", "utility"] | None = None
    """The followers' reward."""

    def as_json(self) -> dict[str, Any]:
        """The arguments that were given, as they stand on the command line."""
        plain = {name: value for name, value in vars(self).items() if value is not None}
        if self.ssim is not None and self.ssim.endswith(".csv"):
            plain["ssim"] = str(Path(self.ssim).absolute())
        return plain


def given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that `as_json` gave, as the environments take them.

    Raises:
        ValueError: numbers that are none, or a bad CSV file.
    """
    taken = dict(arguments)
    if isinstance(taken.get("satisfaction"), list | tuple):
        taken["satisfaction"] = _satisfaction(taken["satisfaction"])
    if str(taken.get("ssim", "")).endswith(".csv"):
        taken["ssim"] = TabulatedSSIM.from_csv(taken["ssim"], values=ssim_column(taken["ssim"]))
    return taken


def _satisfaction(words: Sequence[Any]) -> Any:
    try:
        if words and words[0] in _DISTRIBUTIONS:
            low, high = (float(word) for word in words[1:])
            return _DISTRIBUTIONS[words[0]](low, high)
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise ValueError(
            "satisfaction must be one number, K numbers, or `uniform LOW HIGH` or "
            f"`loguniform LOW HIGH`, got {' '.join(map(str, words))!r} ({error})"
        ) from None
    return numbers[0] if len(numbers) == 1 else numbers
