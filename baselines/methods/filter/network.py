"""Prices from past prices and purchases: a causal encoder–decoder over rounds and VMUs.

One network, two ways to run it that agree: a step at a time with cached keys (`start`, `step`), and
a whole episode in one pass (`episode`). What it is made of can be left out part by part (`Shape`).
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

_OWN, _MARKET = 4, 5
"""Features beside those of the filter, of each VMU and of the market."""
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
    over_time: bool = True
    """Whether a VMU's own past is attended to; without, its last round is encoded alone."""
    over_vmus: bool = True
    """Whether the VMUs that will answer are attended to; without, their encodings are averaged."""
    filter: bool = True
    """Whether the filter of demand says what it makes of past rounds; without, the network sees
    these alone, and begins in the middle of the prices."""
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
    """An episode as `PricingNetwork.step` has seen it."""

    def __init__(self, tracker: Tracker, band: int) -> None:
        self.tracker = tracker
        self.encoder = LastRounds(band)
        """Keys, values and visits (see `InformationState.visit`)."""


class PricingNetwork(nn.Module):
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
        own, market = _OWN, _MARKET
        self.demand_filter: DemandFilter | None = None
        if shape.filter:
            own, market = own + OWN, market + MARKET
            self.demand_filter = DemandFilter(public, shape.intercepts, shape.chokes)
        self.embed = nn.Linear(own, width)
        self.embed_market = nn.Linear(market, width, bias=False)
        self.query = nn.Linear(market, width)
        self.encoder = BandedAttention(width, shape.heads, shape.band) if shape.over_time else None
        self.decoder = Attention(width, shape.heads) if shape.over_vmus else nn.Linear(width, width)
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
        self.dispersion = nn.Parameter(torch.tensor([-0.4, 0.7, 0.4]))
        """How far prices go above and below by turns, how soon that declines, and how much farther
        they go above."""
        self.opening = nn.Parameter(torch.zeros(()))
        """Moves the first price."""

    def price(self, action: Tensor) -> Tensor:
        """Unit prices that actions in [−1, 1] mean."""
        public = self.public
        return public.cost + (action.clamp(-1, 1) + 1) / 2 * (public.max_price - public.cost)

    # --- a step at a time

    def start(self, active: Tensor, capacity: Tensor | None = None) -> tuple[Cache, Tensor]:
        """The first decision of episodes, (B,) as `Output.action`.

        Args:
            active: (B, K) 1 for the VMUs that will answer.
            capacity: (B,) steps that can be run in the round to come; None: there is no limit.
        """
        tracker = Tracker(active, self.public.cost, self.demand_filter, capacity)
        cache = Cache(tracker, self.shape.band)
        return cache, self._advance(cache, tracker.state)

    def step(
        self,
        cache: Cache,
        price: Tensor,
        steps: Tensor,
        active: Tensor,
        capacity: Tensor | None = None,
    ) -> Tensor:
        """The decision after a round, (B,) as `Output.action`.

        Args:
            cache: of the episodes; it is updated.
            price: (B,) of the round.
            steps: (B, K) asked for in it.
            active: (B, K) 1 for the VMUs that will answer the next price.
            capacity: (B,) steps that can be run in the round to come; None: there is no limit.
        """
        return self._advance(cache, cache.tracker.observe(price, steps, active, capacity))

    def _advance(self, cache: Cache, known: InformationState) -> Tensor:
        token, market = self._features(known)
        encoder = self.encoder
        if encoder is None:
            encoded = self._encode(token)
        else:
            now = encoder.keys(self.norms[0](token))
            keys, values, visits = cache.encoder.add(*now, known.visit)  # (L, B, K, …)
            lags = encoder.lags(len(keys))[:, None, None]  # (L, 1, 1, heads)
            bias = lags + masked(visits == known.visit)[..., None]
            encoded = self._encode(token, lambda x: encoder.one(x, keys, values, bias, axis=0))
        return self._decide(known, market, encoded)

    # --- whole episodes

    def episode(self, known: InformationState) -> Output:
        """All decisions of episodes at once, (B, T), as the leading axes of `known`."""
        token, market = self._features(known)  # (B, T, K, width)
        encoder = self.encoder
        if encoder is None:
            encoded = self._encode(token)
        else:
            token = token.transpose(1, 2)  # (B, K, T, width)
            visit = known.visit.transpose(1, 2)
            same = masked(visit[..., None] == visit[..., None, :])[:, :, None]  # (B, K, 1, T, T)
            bias = encoder.causal(token.shape[2]) + same
            key, value = encoder.keys(self.norms[0](token))
            encoded = self._encode(token, lambda x: encoder(x, key, value, bias)).transpose(1, 2)
        there = _answering(known)
        value = (self.value(encoded)[..., 0] * there).sum(-1) / there.sum(-1)
        return Output(self._decide(known, market, encoded), value)

    # --- the parts

    def _features(self, known: InformationState) -> tuple[Tensor, Tensor]:
        """Tokens (…, K, width) and market features (…, M)."""
        steps = known.steps / self.steps_unit
        own = torch.stack([steps, known.present, known.active, known.age.log1p() / 3], dim=-1)
        count = known.active.sum(-1).clamp(min=1)
        facts = [
            known.price / self.price_unit,
            count.clamp(max=_MANY).log1p(),
            # Of what all could ask for, the share that can be run.
            (known.capacity / (self.public.max_steps * count)).clamp(max=1),
            steps.mean(-1),
            known.present.mean(-1),
        ]
        own = torch.cat([own, known.own], dim=-1)
        market = torch.cat([torch.stack(facts, dim=-1), known.market], dim=-1)
        if self.shape.filter:
            # Gradients reach past rounds by the best price alone: through the rest they are wild.
            own, market = own.detach(), market.detach()
        return self.embed(own) + self.embed_market(market)[..., None, :], market

    def _encode(self, token: Tensor, attend: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        x = token if attend is None else token + attend(self.norms[0](token))
        x = x + self.encoder_mlp(self.norms[1](x))
        return self.norms[2](x)

    def _decide(self, known: InformationState, market: Tensor, encoded: Tensor) -> Tensor:
        """Decisions (…) from a query of the last round that looks at the encoding."""
        x = self.query(market)
        if isinstance(self.decoder, Attention):
            key, value = self.decoder.keys(encoded)
            bias = masked(_answering(known) > 0)[..., None]
            x = x + self.decoder.one(self.norms[3](x), key, value, bias, axis=-3)
        else:
            active = known.active
            pooled = (active[..., None, :] @ encoded)[..., 0, :]
            x = x + self.decoder(pooled / active.sum(-1, keepdim=True).clamp(min=1))
        x = x + self.decoder_mlp(self.norms[4](x))
        move, width = (4 * self.head(self.norms[5](x))).unbind(-1)
        # Prices that vary too little never tell a line's slope: rounds take turns above and below.
        # The first price has none to differ from.
        size, decline, lean = self.dispersion.unbind()
        turn = 1 - 2 * (known.round % 2)
        spread = turn * (size + lean * turn - decline * known.round.log1p() + width).exp()
        spread = torch.where(known.round > 0, spread, self.opening)
        return 2 * torch.sigmoid(known.best_logit + move + spread) - 1


def _answering(known: InformationState) -> Tensor:
    """1 for those that will answer, (…, K); for everybody where nobody is: no price matters."""
    return torch.where(known.active.any(-1, keepdim=True), known.active, 1.0)
