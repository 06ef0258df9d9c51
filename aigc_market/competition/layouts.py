"""How the numbers of providers and VMUs are laid out: along axes of arrays, or one by one.

As for one provider (`aigc_market.layouts`): the rules are elementwise, and a layout says what an
element is. Here most numbers belong to a pair, a provider m and a VMU k.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, Protocol

import numpy as np

from aigc_market._arrays import contiguous, convert, namespace, ndim, total
from aigc_market.competition.market import Competition
from aigc_market.ssim import QuadraticSSIM, SSIMModel


class Layout(Protocol):
    """The parameters of a market beside the pairs of providers and VMUs that they belong to."""

    market: Competition
    cost: Any
    """Of each provider."""
    capacity: Any
    """Of each provider, or None."""
    satisfaction: Any
    """Of each pair, as all that follows."""
    access_cost: Any
    ssim: Any
    min_steps: Any
    max_steps: Any
    pair_temperature: Any
    temperature: Any
    """Of each VMU."""
    outside: Any
    """Of each VMU, or None."""

    def each(self, rule: Callable[..., Any], *columns: Any) -> Any:
        """The rule's answer for every element."""
        ...

    def of_provider(self, values: Any) -> Any:
        """Numbers of each provider, beside the numbers of pairs."""
        ...

    def of_vmu(self, values: Any) -> Any:
        """Numbers of each VMU, beside the numbers of pairs."""
        ...

    def over_vmus(self, pairs: Any) -> Any:
        """Of each provider the sum over its pairs."""
        ...

    def over_providers(self, pairs: Any) -> Any:
        """Of each VMU the sum over its pairs."""
        ...

    def most(self, pairs: Any) -> Any:
        """Of each VMU the largest of its pairs."""
        ...


class Columns:
    """Pairs along two axes of arrays or tensors.

    Args:
        market: one market or a batch.
        front: whether the axes (M, K) come first, where sums over them are fastest and the axis of
            a batch is last, and not last, as in the parameters of a market.
        before: the layout of an earlier market, from which is taken what has not changed.
    """

    def __init__(
        self, market: Competition, front: bool = False, before: Columns | None = None
    ) -> None:
        self.market, self._front = market, front
        self._vmus, self._providers = (1, 0) if front else (-1, -2)
        move = to_front if front else _as_is
        self.cost, self.capacity = move(market.cost, 1), move(market.capacity, 1)
        self.satisfaction = self.of_vmu(move(market.satisfaction, 1))
        self.access_cost = move(market.access_cost, 2)
        if before is not None and before.market.ssim is market.ssim:
            self.ssim = before.ssim
        else:
            self.ssim = _one_model(market, front)
        self.min_steps = self._of_market(market.min_steps, 2)
        self.max_steps = self._of_market(market.max_steps, 2)
        self.pair_temperature = self._of_market(market.temperature, 2)
        self.temperature = self._of_market(market.temperature, 1)
        self.outside = self._of_market(market.outside, 1)

    def _of_market(self, value: Any, axes: int) -> Any:
        """A number of each market, beside numbers with so many axes more."""
        if ndim(value) == 0 or self._front:
            return value
        return value[(..., *[None] * axes)]

    def each(self, rule: Callable[..., Any], *columns: Any) -> Any:
        """The rule on whole arrays."""
        return rule(*columns)

    def of_provider(self, values: Any) -> Any:
        """(…, M) as (…, M, 1), or (M, …) as (M, 1, …)."""
        return values[:, None] if self._front else values[..., None]

    def of_vmu(self, values: Any) -> Any:
        """(…, K) as (…, 1, K), or (K, …) as (1, K, …)."""
        return values[None] if self._front else values[..., None, :]

    def over_vmus(self, pairs: Any) -> Any:
        """Of NumPy arrays in double precision."""
        return total(pairs, self._vmus)

    def over_providers(self, pairs: Any) -> Any:
        """Of NumPy arrays in double precision."""
        return total(pairs, self._providers)

    def most(self, pairs: Any) -> Any:
        """Over the axis of providers."""
        return namespace(pairs).max(pairs, axis=self._providers)


class Floats:
    """Pairs one by one, as flat lists of Python floats, all VMUs of a provider together.

    For the few pairs of a turn-based game these are faster than arrays.

    Args:
        market: one market of NumPy.
        before: the layout of an earlier market, from which is taken what has not changed.
    """

    def __init__(self, market: Competition, before: Floats | None = None) -> None:
        self.market = market
        self.cost: list[float] = market.cost.tolist()
        self.capacity = None if market.capacity is None else market.capacity.tolist()
        self.satisfaction = self.of_vmu(market.satisfaction.tolist())
        self.access_cost: list[float] = market.access_cost.ravel().tolist()
        if before is not None and before.market.ssim is market.ssim:
            self.ssim: list[SSIMModel] = before.ssim
        else:
            self.ssim = _models_of_pairs(market)
        self.min_steps, self.max_steps = repeat(market.min_steps), repeat(market.max_steps)
        self.pair_temperature = self.temperature = repeat(market.temperature)
        self.outside = None if market.outside is None else repeat(market.outside)

    def each(self, rule: Callable[..., Any], *columns: Any) -> list[Any]:
        """The rule on one element after the other."""
        return list(map(rule, *columns))

    def of_provider(self, values: Any) -> list[float]:
        """Each number once for every VMU."""
        vmus = range(self.market.K)
        return [value for value in values for _ in vmus]

    def of_vmu(self, values: Any) -> list[float]:
        """All numbers once for every provider."""
        return values * self.market.M

    def over_vmus(self, pairs: list[float]) -> list[float]:
        """One sum for each provider."""
        K = self.market.K
        return [sum(pairs[i : i + K]) for i in range(0, len(pairs), K)]

    def over_providers(self, pairs: list[float]) -> list[float]:
        """One sum for each VMU."""
        return self._each_vmu(operator.add, pairs)

    def most(self, pairs: list[float]) -> list[float]:
        """One for each VMU."""
        return self._each_vmu(max, pairs)

    def _each_vmu(self, rule: Callable[..., float], pairs: list[float]) -> list[float]:
        """The rule on one provider after the other."""
        K = self.market.K
        result = pairs[:K]
        for i in range(K, len(pairs), K):
            result = list(map(rule, result, pairs[i : i + K]))
        return result


class _ByProvider:
    """Models that differ in kind, each asked for its provider's pairs."""

    def __init__(self, models: Sequence[SSIMModel], axis: int) -> None:
        self._models, self._axis = models, axis

    def gain(self, steps: Any) -> Any:
        return self._stack([model.gain(self._of(steps, m)) for m, model in self._numbered])

    def demand(self, rate: Any, min_steps: Any, max_steps: Any) -> Any:
        low, high = (self._bounds(bound) for bound in (min_steps, max_steps))
        return self._stack(
            [model.demand(self._of(rate, m), low, high) for m, model in self._numbered]
        )

    @property
    def _numbered(self) -> list[tuple[int, SSIMModel]]:
        return list(enumerate(self._models))

    def _of(self, pairs: Any, m: int) -> Any:
        return pairs[m] if self._axis == 0 else pairs[..., m, :]

    def _bounds(self, bound: Any) -> Any:
        return bound[..., 0, :] if self._axis and ndim(bound) else bound

    def _stack(self, columns: list[Any]) -> Any:
        return namespace(columns[0]).stack(columns, axis=self._axis)


def _one_model(market: Competition, front: bool) -> Any:
    """What answers for all pairs at once."""
    models = market.ssim
    if all(model is models[0] for model in models):

        def beside(value: Any) -> Any:  # (…, K) as (…, 1, K)
            if ndim(value) == 0:
                return value
            return to_front(value, 1)[None] if front else value[..., None, :]

        return models[0].map(beside)
    kinds = [model for model in models if isinstance(model, QuadraticSSIM)]
    scalars = all(ndim(value) == 0 for model in kinds for value in model.parameters)
    if len(kinds) == len(models) and scalars:
        columns = zip(*(model.parameters for model in kinds), strict=True)
        shape = (slice(None), None) + (None,) * front
        beside_vmus = (convert(np.array(column)[shape], market.cost) for column in columns)
        return QuadraticSSIM.unchecked(*beside_vmus)
    if front:
        models = tuple(model.map(lambda value: to_front(value, 1)) for model in models)
    return _ByProvider(models, 0 if front else -2)


def _models_of_pairs(market: Competition) -> list[SSIMModel]:
    """The SSIM model of each pair on its own."""
    found: list[SSIMModel] = []
    for model in market.ssim:
        if not any(ndim(value) for value in model.parameters):
            found += [model] * market.K
            continue
        for k in range(market.K):
            found.append(
                model.map(lambda value, k=k: float(np.broadcast_to(value, (market.K,))[k]))
            )
    return found


def _as_is(value: Any, axes: int) -> Any:
    return value


def to_front(value: Any, axes: int) -> Any:
    """(N, …) as (…, N), the own axes in their order; (…) of one market as (…, 1)."""
    if ndim(value) == 0:  # None too
        return value
    if value.ndim == axes:
        return value[..., None]
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(np.moveaxis(value, 0, -1))
    return contiguous(namespace(value).moveaxis(value, 0, -1))
