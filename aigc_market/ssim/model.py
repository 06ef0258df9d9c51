"""What the game asks of an SSIM model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np


class DemandCurve(NamedTuple):
    """A buyer's demand as a function of the rate r = p / δ, in linear pieces.

    Piece j holds for rates in (rates[j-1], rates[j]] (the last one for every higher rate) and
    says S = slopes[j]·r + intercepts[j]. Demand never rises with the rate.
    """

    rates: Any
    """(…, J), ascending along the last axis: where one piece ends and the next begins."""
    slopes: Any
    """(…, J + 1), steps per unit of rate; zero or negative."""
    intercepts: Any
    """(…, J + 1), steps."""


@runtime_checkable
class SSIMModel(Protocol):
    """Image quality as a function of the diffusion steps bought, SSIM(S).

    A follower with satisfaction δ who pays p a step maximises δ·SSIM(S) − p·S, so all that the
    game needs of a model beside its values is the demand at the rate r = p / δ.
    """

    @property
    def max_steps(self) -> float:
        """The most steps for which the model answers; it answers from 0 on."""
        ...

    @property
    def linear_demand(self) -> bool:
        """Whether demand is one line of the rate, held within the bounds.

        Then Theorem 2 holds, and so do filters that take demand for a line.
        """
        ...

    @property
    def parameters(self) -> tuple[Any, ...]:
        """Coefficients that may differ from market to market or from VMU to VMU, if any."""
        ...

    def __call__(self, steps: Any) -> Any:
        """SSIM of the delivered image, for `steps` of any shape."""
        ...

    def gain(self, steps: Any) -> Any:
        """SSIM(steps) − SSIM(0): what a follower gains by buying (free of any constant term)."""
        ...

    def demand(self, rate: Any, min_steps: Any, max_steps: Any) -> Any:
        """argmax of SSIM(S) − rate·S over [min_steps, max_steps]; ties take the most steps."""
        ...

    def demand_curve(self, min_steps: Any, max_steps: Any) -> DemandCurve:
        """`demand` as a whole, in pieces, for the solver."""
        ...

    def check_market(self, min_steps: Any, max_steps: Any) -> None:
        """Raise ValueError where the model cannot answer for a market with these bounds."""
        ...

    def map(self, function: Callable[[Any], Any]) -> SSIMModel:
        """The same model with `function` applied to each of its `parameters`, in their order.

        Nothing is checked again.
        """
        ...


class Result(NamedTuple):
    """A picture repainted."""

    image: np.ndarray
    """(size, size, 3) float32 in [0, 1]; the known region is the original's."""
    ssim: float
    """Against the original."""


@runtime_checkable
class LiveSSIM(SSIMModel, Protocol):
    """A model whose images are really made, so that steps are whole network calls.

    Its curve is what rational followers expect, and its demand of whole calls; what they get is the
    SSIM measured of each image.
    """

    @property
    def keep_images(self) -> bool:
        """Whether an environment's infos carry the images served."""
        ...

    def serve_round(self, steps: Sequence[float], rng: np.random.Generator) -> Sequence[Result]:
        """Make the images of a round, one for each VMU.

        Args:
            steps: whole numbers of steps, one a VMU; for 0 nothing is run.
            rng: all that is drawn comes from it.
        """
        ...
