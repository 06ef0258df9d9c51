"""A causal encoder–decoder transformer over rounds and VMUs, on top of the demand filter.

One network, two ways to run it that agree: a step at a time with cached keys (`start`, `step`), and
a whole episode in one pass (`episode`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from baselines.arena.protocol import PublicParameters
from baselines.methods.filter.attention import Attention, BandedAttention, LastRounds, masked
from baselines.methods.filter.demand_filter import MARKET, OWN, DemandFilter
from baselines.methods.filter.information import InformationState, Tracker

_OWN, _MARKET = 5, 2
"""Features beside those of the filter."""
_MANY = 8.0
"""VMUs beyond which their number is not told apart: larger markets are then nothing new."""


@dataclass(frozen=True)
class Shape:
    """The architecture."""

    width: int = 32
    heads: int = 2
    feedforward: int = 64
    band: int = 16
    """Rounds that attention reaches back over."""
    intercepts: int = 24
    """Values of A on the filter's grid."""
    chokes: int = 48
    """Values of q on the filter's grid."""


class Output(NamedTuple):
    """For each decision."""

    action: Tensor
    """(…) mean price, from −1 (the cost) to 1 (max_price)."""
    value: Tensor
    """(…) what the critic expects of the round."""


class Cache:
    """An episode as `MarketTransformer.step` has seen it."""

    def __init__(self, tracker: Tracker, band: int) -> None:
        self.tracker = tracker
        self.encoder = LastRounds(band)
        """Keys, values and visits (see `InformationState.visit`)."""


class MarketTransformer(nn.Module):
    """Prices from past prices and purchases.

    One token for each VMU in each round, so that the order of VMUs and their number play no part.
    The encoder attends, within each VMU's own past, to the last `band` rounds; its encoding feeds
    the critic. The decoder's query is the last round of the whole market; it attends to the encoded
    VMUs that will answer next, and moves the price away from the one that is best in expectation by
    the filter.

    Args:
        public: the market's public parameters; K plays no part.
        shape: the architecture.

    Raises:
        ValueError: a width that the heads do not divide.
    """

    def __init__(self, public: PublicParameters, shape: Shape = Shape()) -> None:
        super().__init__()
        if shape.width % shape.heads:
            raise ValueError(f"heads must divide width = {shape.width}, got {shape.heads}")
        self.public, self.shape = public, shape
        self.price_unit = public.max_price / 2
        """Money per step that the network counts as 1."""
        self.steps_unit = public.max_steps / 2.5
        """Steps that the network counts as 1."""
        width = shape.width
        self.demand_filter = DemandFilter(public, shape.intercepts, shape.chokes)
        self.embed = nn.Linear(_OWN + OWN + _MARKET + MARKET, width)
        self.query = nn.Linear(_MARKET + MARKET + 2, width)
        self.encoder = BandedAttention(width, shape.heads, shape.band)
        self.decoder = Attention(width, shape.heads)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(6))
        self.encoder_mlp, self.decoder_mlp = (
            nn.Sequential(
                nn.Linear(width, shape.feedforward), nn.GELU(), nn.Linear(shape.feedforward, width)
            )
            for _ in range(2)
        )
        self.head = nn.Linear(width, 2)
        nn.init.zeros_(self.head.weight)  # training begins at the filter's best price
        nn.init.zeros_(self.head.bias)
        self.value = nn.Linear(width, 1)
        self.log_std = nn.Parameter(torch.tensor(-1.5))
        self.dispersion = nn.Parameter(torch.tensor([-0.3, 0.5]))

    def price(self, action: Tensor) -> Tensor:
        """Unit prices that actions in [−1, 1] mean."""
        public = self.public
        return public.cost + (action.clamp(-1, 1) + 1) / 2 * (public.max_price - public.cost)

    # --- a step at a time

    def start(self, active: Tensor) -> tuple[Cache, Output]:
        """The first decision of episodes; `active` (B, K) is 1 for the VMUs that are there."""
        cache = Cache(Tracker(active, self.public.cost, self.demand_filter), self.shape.band)
        return cache, self._advance(cache, cache.tracker.state)

    def step(self, cache: Cache, price: Tensor, steps: Tensor, active: Tensor) -> Output:
        """The decision after a round.

        Args:
            cache: of the episodes; it is updated.
            price: (B,) of the round.
            steps: (B, K) bought in it.
            active: (B, K) 1 for the VMUs that will answer the next price.
        """
        return self._advance(cache, cache.tracker.observe(price, steps, active))

    def _advance(self, cache: Cache, known: InformationState) -> Output:
        token, market = self._features(known)
        now = self.encoder.keys(self.norms[0](token))
        keys, values, visits = cache.encoder.add(*now, known.visit)  # (L, B, K, …)
        lags = self.encoder.lags(len(keys))[:, None, None]  # (L, 1, 1, heads)
        bias = lags + masked(visits == known.visit)[..., None]
        encoded = self._encode(token, lambda x: self.encoder.one(x, keys, values, bias, axis=0))
        return self._decide(known, market, encoded)

    # --- whole episodes

    def episode(self, known: InformationState) -> Output:
        """All decisions of episodes at once, (B, T), as the leading axes of `known`."""
        token, market = self._features(known)  # (B, T, K, width)
        token = token.transpose(1, 2)  # (B, K, T, width)
        visit = known.visit.transpose(1, 2)
        same = masked(visit[..., None] == visit[..., None, :])[:, :, None]  # (B, K, 1, T, T)
        bias = self.encoder.causal(token.shape[2]) + same
        key, value = self.encoder.keys(self.norms[0](token))
        encoded = self._encode(token, lambda x: self.encoder(x, key, value, bias))
        return self._decide(known, market, encoded.transpose(1, 2))

    # --- the parts

    def _features(self, known: InformationState) -> tuple[Tensor, Tensor]:
        """Tokens (…, K, width) and market features (…, M)."""
        price = (known.price / self.price_unit)[..., None]
        steps = known.steps / self.steps_unit
        age = known.age.log1p() / 3
        facts = [price.expand_as(steps), steps, known.present, known.active, age]
        own = torch.cat([torch.stack(facts, dim=-1), known.own], dim=-1)
        count = known.active.sum(-1, keepdim=True).clamp(1, _MANY)
        market = torch.cat([price, count.log1p(), known.market], dim=-1)
        wide = market[..., None, :].expand(*own.shape[:-1], -1)
        # Gradients reach past rounds by the best price alone: through tokens too they are wild.
        return self.embed(torch.cat([own, wide], dim=-1).detach()), market.detach()

    def _encode(self, token: Tensor, attend: Callable[[Tensor], Tensor]) -> Tensor:
        x = token + attend(self.norms[0](token))
        x = x + self.encoder_mlp(self.norms[1](x))
        return self.norms[2](x)

    def _decide(self, known: InformationState, market: Tensor, encoded: Tensor) -> Output:
        """Decisions (…) from a query of the last round that attends to the encoding."""
        # Everybody where nobody is: then no price matters.
        there = torch.where(known.active.any(-1, keepdim=True), known.active, 1.0)
        key, value = self.decoder.keys(encoded)
        bought = known.steps.mean(-1, keepdim=True) / self.steps_unit
        facts = [bought, known.present.mean(-1, keepdim=True)]
        x = self.query(torch.cat([market, *facts], dim=-1).detach())
        bias = masked(there > 0)[..., None]
        x = x + self.decoder.one(self.norms[3](x), key, value, bias, axis=-3)
        x = x + self.decoder_mlp(self.norms[4](x))
        move, width = self.head(self.norms[5](x)).unbind(-1)
        # Prices that vary too little never tell a line's slope: rounds take turns above and below.
        size, decline = self.dispersion.unbind()
        width = (size - decline * known.round.log1p() + 4 * width).exp()
        turn = 1 - 2 * (known.round % 2)
        share = torch.sigmoid(known.best_logit + 4 * move + turn * width)
        value = (self.value(encoded)[..., 0] * there).sum(-1) / there.sum(-1)
        return Output(2 * share - 1, value)
