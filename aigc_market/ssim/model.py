"""What the game asks of an SSIM model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np

from aigc_market import _checks
from aigc_market._arrays import namespace


class Lines:
    """What the pieces of a demand curve are: lines of the price p, slope·p + intercept.

    Pieces of another form are slope·x(p) + intercept, with an x of their own that rises with p. It
    must be such that the sum over buyers is of the form too, and (p − c)·demand has one peak.
    """

    def coordinate(self, price: Any) -> Any:
        """x(p)."""
        return price

    def price(self, coordinate: Any) -> Any:
        """The p of an x."""
        return coordinate

    def of_price(self, slopes: Any, intercepts: Any, satisfaction: Any) -> tuple[Any, Any]:
        """Slopes and intercepts of the price from those of the rate p / δ."""
        return slopes / satisfaction, intercepts

    def best_price(self, cost: Any, slope: Any, intercept: Any) -> Any:
        """argmax of (p − c)·(slope·x(p) + intercept); the slope is negative."""
        return (cost - intercept / slope) / 2

    def peak(self, cost: Any, slope: Any, lean_slope: Any, lean: Any) -> Any:
        """Where lean_slope·x(p) + lean + slope·(p − c)·x′(p) falls through 0, if it does.

        That is the derivative of what a price earns, when demand's `slope` is at most 0 and what
        is gained on what is sold (to the leader, a part may be handed back) is of the form too.
        """
        falls = namespace(lean).where(lean_slope + slope < 0, lean_slope + slope, -1.0)
        return (slope * cost - lean) / falls


class DemandCurve(NamedTuple):
    """A buyer's demand as a function of the rate r = p / δ, in pieces.

    Piece j holds for rates in (rates[j-1], rates[j]] (the last one for every higher rate) and
    says S = slopes[j]·x(r) + intercepts[j], where x(r) is r, or what the form says. Demand never
    rises with the rate.
    """

    rates: Any
    """(…, J), ascending along the last axis: where one piece ends and the next begins."""
    slopes: Any
    """(…, J + 1), steps per unit of x; zero or negative."""
    intercepts: Any
    """(…, J + 1), steps."""
    form: Lines = Lines()
    """Of the pieces."""


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
        """`demand` as a whole, in pieces, for the solvers."""
        ...

    def check_market(self, min_steps: Any, max_steps: Any) -> None:
        """Raise ValueError where the model cannot answer for a market with these bounds."""
        ...

    def map(self, function: Callable[[Any], Any]) -> SSIMModel:
        """The same model with `function` applied to each of its `parameters`, in their order.

        Nothing is checked again.
        """
        ...


class Measured:
    """What models that were measured share: they have no parameters."""

    linear_demand = False
    parameters: tuple[Any, ...] = ()

    def map(self, function: Callable[[Any], Any]) -> Self:
        return self


class Formula:
    """What models that are a formula share. Nothing in them changes."""

    max_steps = math.inf
    linear_demand = False
    limits: ClassVar[dict[str, dict[str, float]]]
    """Of the arguments, by name. They are the `parameters`; the last one is SSIM(0)."""
    parameters: tuple[Any, ...]

    def _check(self, *arguments: Any) -> None:
        pairs = zip(self.limits.items(), arguments, strict=True)
        checked = [_checks.numeric(name, value, **limits) for (name, limits), value in pairs]
        shapes = [np.shape(value) for value in checked]
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            *names, last = self.limits
            raise ValueError(
                f"{', '.join(names)} and {last} must have shapes that broadcast (one of each "
                f"market is (B, 1) beside one of each VMU), got {shapes}"
            ) from None
        self._put(*checked)

    def _put(self, *parameters: Any) -> None:
        raise NotImplementedError

    @classmethod
    def unchecked(cls, *parameters: Any) -> Self:
        """With parameters that are known to be good: moving markets need a model every round."""
        model = object.__new__(cls)
        model._put(*parameters)
        return model

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name} of an SSIM model never changes: make another one")

    def __repr__(self) -> str:
        named = zip(self.limits, self.parameters, strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in named)})"

    def __call__(self, steps: Any) -> Any:
        return self.gain(steps) + self.parameters[-1]

    def gain(self, steps: Any) -> Any:
        raise NotImplementedError

    def check_market(self, min_steps: Any, max_steps: Any) -> None:
        pass

    def map(self, function: Callable[[Any], Any]) -> Self:
        return self.unchecked(*(function(value) for value in self.parameters))


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


def side_by_side(columns: Sequence[Any]) -> Any:
    """Numbers and arrays that broadcast, along a new last axis; for demand curves."""
    arrays = [column for column in columns if not isinstance(column, float)]
    if not arrays:
        return np.asarray(columns)
    if all(isinstance(array, np.ndarray) for array in arrays):
        beside = np.empty((*np.broadcast(*arrays).shape, len(columns)))
        for i, column in enumerate(columns):
            beside[..., i] = column
        return beside
    xp = namespace(*arrays)
    total = sum(arrays[1:], start=arrays[0])
    return xp.stack([total * 0 + column for column in columns], axis=-1)
