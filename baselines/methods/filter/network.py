"""TPPO's network for hidden markets: a causal encoder–decoder transformer over rounds and VMUs.

One network, three ways to run it that agree: a step at a time with cached keys (`start`, `step`),
a whole episode in one pass (`episode`), and a window of past rounds (`window`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from baselines.arena.protocol import PublicParameters
from baselines.methods.filter import memory
from baselines.methods.filter.demand_filter import DemandBelief
from baselines.methods.filter.memory import Memory, Seen

_OWN, _MARKET = 5, 2
_MANY = 8.0
"""VMUs beyond which their number is not told apart: larger markets are then nothing new."""


@dataclass(frozen=True)
class Shape:
    """The architecture."""

    tokens: Literal["vmu", "round"] = "vmu"
    """One token for each VMU in each round (then the network plays any K, in any order of VMUs), or
    one a round, which holds all VMUs."""
    slots: int = 0
    """K, where tokens are rounds."""
    width: int = 32
    heads: int = 2
    feedforward: int = 64
    band: int = 16
    """Rounds that attention reaches back over."""
    belief: bool = True
    """Whether tokens hold what a learned filter says about demand, and prices begin at what is best
    by it; otherwise nothing but attention remembers."""


_Attend = Callable[[Tensor], Tensor]


class Output(NamedTuple):
    """For each decision."""

    action: Tensor
    """(…) mean price, from −1 (the cost) to 1 (p_max)."""
    value: Tensor
    """(…) what the critic expects of the round."""


class Cache:
    """An episode as `MarketTransformer.step` has seen it."""

    def __init__(self, known: Memory, band: int) -> None:
        self.memory = known
        self.encoder = _Last(band)
        """Keys, values and stays (see `Seen.visit`)."""
        self.decoder = _Last(band)
        """Keys and values, where tokens are rounds."""


class _Last:
    """Tensors of the last rounds: stacked anew each round, so that gradients flow."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._kept: list[tuple[Tensor, ...]] = []

    def add(self, *now: Tensor) -> tuple[Tensor, ...]:
        """Take in a round; returns each tensor's last rounds, oldest first, (L, …)."""
        self._kept = [*self._kept[1 - self._rounds :], now] if self._rounds > 1 else [now]
        return tuple(torch.stack(part) for part in zip(*self._kept, strict=True))


class _Attention(nn.Module):
    """Multi-head attention with a learned bias for each head and lag."""

    def __init__(self, width: int, heads: int, band: int) -> None:
        super().__init__()
        self.heads, self.band = heads, band
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.lag = nn.Parameter(torch.zeros(heads, band))

    def split(self, x: Tensor) -> Tensor:
        """(…, width) to (…, heads, width / heads)."""
        return x.unflatten(-1, (self.heads, -1))

    def keys(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of tokens (…, width): (…, heads, width / heads) each."""
        key, value = self.key_value(x).chunk(2, dim=-1)
        return self.split(key), self.split(value)

    def forward(self, x: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """Queries (…, Q, width) on keys (…, L, heads, size); bias (…, heads or 1, Q, L)."""
        query, key, value = (a.transpose(-2, -3) for a in (self.split(self.query(x)), key, value))
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) + bias
        mixed = scores.softmax(dim=-1) @ value
        return self.out(mixed.transpose(-2, -3).flatten(-2))

    def one(self, x: Tensor, key: Tensor, value: Tensor, bias: Tensor, axis: int) -> Tensor:
        """One query (…, width) on keys that stand along an axis of (…, heads, size).

        The bias is of shape (…, heads or 1), that axis included.
        """
        query = self.split(self.query(x)).unsqueeze(axis)
        scores = (query * key).sum(-1) / math.sqrt(query.shape[-1]) + bias
        mixed = (scores.softmax(dim=axis if axis >= 0 else axis + 1)[..., None] * value).sum(axis)
        return self.out(mixed.flatten(-2))


class MarketTransformer(nn.Module):
    """Prices from past prices and purchases.

    The encoder attends, within each VMU's own past (or the market's, where tokens are rounds), to
    the last `band` rounds; its encoding feeds the critic. The decoder's query is the last price and
    purchases; it attends to the encoded VMUs (or rounds) and moves the price away from the one that
    is best in expectation by a learned filter of demand.

    Args:
        public: the market's public parameters; K plays no part where tokens are VMUs.
        shape: the architecture.

    Raises:
        ValueError: a width that the heads do not divide, or tokens a round without `slots`.
    """

    def __init__(self, public: PublicParameters, shape: Shape = Shape()) -> None:
        super().__init__()
        if shape.width % shape.heads:
            raise ValueError(f"heads must divide width = {shape.width}, got {shape.heads}")
        if shape.tokens == "round" and shape.slots < 1:
            raise ValueError(f"slots must be K where tokens are rounds, got {shape.slots}")
        self.public, self.shape = public, shape
        self.price_unit = public.max_price / 2
        """Money per step that the network counts as 1."""
        self.steps_unit = public.max_steps / 2.5
        """Steps that the network counts as 1."""
        width = shape.width
        self.belief = DemandBelief(public) if shape.belief else None
        own, market = (
            facts + read
            for facts, read in zip((_OWN, _MARKET), memory.width(shape.belief), strict=True)
        )
        own *= shape.slots if shape.tokens == "round" else 1
        self.embed = nn.Linear(own + market, width)
        self.query = nn.Linear(market + 2, width)
        self.encoder = _Attention(width, shape.heads, shape.band)
        self.decoder = _Attention(width, shape.heads, shape.band if shape.tokens == "round" else 1)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(6))
        self.encoder_mlp, self.decoder_mlp = (
            nn.Sequential(
                nn.Linear(width, shape.feedforward), nn.GELU(), nn.Linear(shape.feedforward, width)
            )
            for _ in range(2)
        )
        self.head, self.leap = nn.Linear(width, 2), nn.Linear(width, 1)
        for layer in (self.head, self.leap):  # training begins at the guess
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.value = nn.Linear(width, 1)
        self.log_std = nn.Parameter(torch.tensor(-1.5))
        self.dispersion = nn.Parameter(torch.tensor([-0.7, 0.3]))
        self.jump = nn.Parameter(torch.tensor([4.0, 0.0]))

    # --- units

    def price(self, action: Tensor) -> Tensor:
        """Unit prices that actions in [−1, 1] mean."""
        public = self.public
        return public.cost + (action.clamp(-1, 1) + 1) / 2 * (public.max_price - public.cost)

    def begin(self, active: Tensor) -> Memory:
        """Memory of episodes before their first round; `active` (B, K)."""
        return Memory(active, self.public.cost, self.belief)

    # --- a step at a time

    def start(self, active: Tensor) -> tuple[Cache, Output]:
        """The first decision of episodes; `active` (B, K) is 1 for the VMUs that are there."""
        cache = Cache(self.begin(active), self.shape.band)
        return cache, self._advance(cache, cache.memory.seen)

    def step(self, cache: Cache, price: Tensor, steps: Tensor, active: Tensor) -> Output:
        """The decision after a round.

        Args:
            cache: of the episodes; it is updated.
            price: (B,) of the round.
            steps: (B, K) bought in it.
            active: (B, K) 1 for the VMUs that will answer the next price.
        """
        return self._advance(cache, cache.memory.observe(price, steps, active))

    def _advance(self, cache: Cache, seen: Seen) -> Output:
        token, market = self._read(seen)
        stay = self._stay(seen)
        now = self.encoder.keys(self.norms[0](token))
        keys, values, stays = cache.encoder.add(*now, stay)  # (L, B, G, …)
        lags = self.encoder.lag[:, : len(keys)].T.flip(0)[:, None, None]  # (L, 1, 1, heads)
        bias = lags + _closed(stays == stay)[..., None]
        encoded = self._encode(token, lambda x: self.encoder.one(x, keys, values, bias, axis=0))
        key, value = self.decoder.keys(encoded)
        if self.shape.tokens == "vmu":
            attend = self._to_vmus(key, value, seen)
        else:
            attend = self._to_rounds(cache, key, value)
        return self._decide(seen, market, attend, encoded)

    def _to_vmus(self, key: Tensor, value: Tensor, seen: Seen) -> _Attend:
        """Attention of the decoder's query to keys (…, K, heads, size) of those who will answer."""
        bias = _closed(self._active_or_all(seen) > 0)[..., None]
        return lambda x: self.decoder.one(x, key, value, bias, axis=-3)

    def _to_past(self, keys: Tensor, values: Tensor, same: Tensor) -> _Attend:
        """Attention of each round's query to the rounds up to it, (B, T, heads, size)."""
        bias = _banded(self.decoder.lag, keys.shape[1]) + same
        return lambda x: self.decoder(x, keys, values, bias)

    def _to_rounds(self, cache: Cache, key: Tensor, value: Tensor) -> _Attend:
        """Attention of the last round's query to the rounds up to it, kept in the cache."""
        keys, values = cache.decoder.add(key[:, 0], value[:, 0])  # (L, B, heads, size)
        bias = self.decoder.lag[:, : len(keys)].T.flip(0)[:, None]
        return lambda x: self.decoder.one(x, keys, values, bias, axis=0)

    # --- whole episodes

    def episode(self, seen: Seen) -> Output:
        """All decisions of episodes at once; `seen` has leading axes (B, T), outputs are (B, T)."""
        token, market = self._read(seen)  # (B, T, G, width)
        token = token.transpose(1, 2)  # (B, G, T, width)
        stay = self._stay(seen).transpose(1, 2)
        same = _closed(stay[..., None] == stay[..., None, :])[:, :, None]  # (B, G, 1, T, T)
        bias = _banded(self.encoder.lag, token.shape[2]) + same
        key, value = self.encoder.keys(self.norms[0](token))
        encoded = self._encode(token, lambda x: self.encoder(x, key, value, bias)).transpose(1, 2)
        keys, values = self.decoder.keys(encoded)  # (B, T, G, heads, size)
        if self.shape.tokens == "vmu":
            attend = self._to_vmus(keys, values, seen)
        else:
            attend = self._to_past(keys[:, :, 0], values[:, :, 0], same[:, 0])
        return self._decide(seen, market, attend, encoded)

    def window(self, price: Tensor, steps: Tensor, active: Tensor) -> Output:
        """The decision after a window of past rounds, of which leading ones may be padding.

        How many rounds went before a full window cannot be told, so that prices no longer take
        turns there: a window's rounds are numbered from its own first.

        Args:
            price: (B, n), oldest first. Rows in which the price is the cost and nobody bought are
                padding while no other row precedes them.
            steps: (B, n, K).
            active: (B, n, K), row t: who was there once round t was over.
        """
        padding = ((steps == 0).all(-1) & (price <= self.public.cost * (1 + 1e-6))).long()
        padding = padding.cumprod(dim=1).bool()
        # Who answered the first price is not in the window, but it shows.
        known = self.begin(torch.where(padding[:, :1], active[:, 0], (steps[:, 0] > 0).to(price)))
        seen = [known.seen]
        for t in range(price.shape[1]):
            known.observe(price[:, t], steps[:, t], active[:, t])
            if padding[:, t].any():
                known.put(padding[:, t], self.begin(active[:, t]))
            seen.append(known.seen)
        stacked = Seen(*(torch.stack(parts, dim=1) for parts in zip(*seen, strict=True)))
        # What was padded belongs to no stay, so attention passes it by.
        visit = stacked.visit.clone()
        visit[:, :-1][padding] = -1.0
        output = self.episode(stacked._replace(visit=visit))
        return Output(output.action[:, -1], output.value[:, -1])

    # --- the parts

    def _read(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Tokens (…, G, width) and market features (…, M)."""
        price = (seen.price / self.price_unit)[..., None]
        steps = seen.steps / self.steps_unit
        facts = [price.expand_as(steps), steps, seen.present, seen.active, seen.age.log1p() / 3]
        own = torch.cat([torch.stack(facts, dim=-1), seen.own], dim=-1)
        count = seen.active.sum(-1, keepdim=True).clamp(1, _MANY)
        market = torch.cat([price, count.log1p(), seen.market], dim=-1)
        if self.shape.tokens == "round":
            own = own.flatten(-2)[..., None, :]
        wide = market[..., None, :].expand(*own.shape[:-1], -1)
        # Gradients reach past rounds by way of the guess alone: through tokens too they are wild.
        return self.embed(torch.cat([own, wide], dim=-1).detach()), market.detach()

    def _active_or_all(self, seen: Seen) -> Tensor:
        """`active`, or everybody where nobody is (then no price matters)."""
        return torch.where(seen.active.any(-1, keepdim=True), seen.active, 1.0)

    def _stay(self, seen: Seen) -> Tensor:
        """(…, G) equal for the rounds that may attend to each other: those of a VMU's stay."""
        if self.shape.tokens == "vmu":
            return seen.visit
        return seen.visit.amin(-1, keepdim=True).clamp(max=0.0)

    def _encode(self, token: Tensor, attend: _Attend) -> Tensor:
        x = token + attend(self.norms[0](token))
        x = x + self.encoder_mlp(self.norms[1](x))
        return self.norms[2](x)

    def _decide(
        self,
        seen: Seen,
        market: Tensor,
        attend: _Attend,
        encoded: Tensor,
    ) -> Output:
        """Decisions (…) from a query of the last round that attends to the encoding."""
        bought = seen.steps.mean(-1, keepdim=True) / self.steps_unit
        facts = [bought, seen.present.mean(-1, keepdim=True)]
        x = self.query(torch.cat([market, *facts], dim=-1).detach())
        x = x + attend(self.norms[3](x))
        x = x + self.decoder_mlp(self.norms[4](x))
        x = self.norms[5](x)
        move, width = self.head(x).unbind(-1)
        # Prices that vary too little never tell a line's slope: rounds take turns above and below.
        size, decline = self.dispersion.unbind()
        width = (size - decline * seen.round.log1p() + 4 * width).exp()
        turn = 1 - 2 * (seen.round % 2)
        inner = torch.sigmoid(seen.logit + 4 * move + turn * width)
        # No gradient by way of the ratio: prices from here to p_max are crossed, never played.
        ratio = seen.ratio.detach() + self.jump[1]
        at_top = torch.sigmoid(self.jump[0].exp() * ratio + 8 * self.leap(x)[..., 0])
        share = inner + (1 - inner) * at_top
        return Output(2 * share - 1, self._value(encoded, seen))

    def _value(self, encoded: Tensor, seen: Seen) -> Tensor:
        if self.shape.tokens == "round":
            return self.value(encoded)[..., 0, 0]
        weight = self._active_or_all(seen)
        return (self.value(encoded)[..., 0] * weight).sum(-1) / weight.sum(-1)


def _closed(open_: Tensor) -> Tensor:
    """0 where attention may look, −1e9 where not."""
    return torch.where(open_, 0.0, -1e9)


def _banded(lag: Tensor, rounds: int) -> Tensor:
    """Bias (heads, T, T) of queries (rows) on keys up to `band` − 1 rounds back."""
    rows = torch.arange(rounds, device=lag.device)
    back = rows[:, None] - rows
    open_ = (back >= 0) & (back < lag.shape[-1])
    return torch.where(open_, lag[:, back.clamp(0, lag.shape[-1] - 1)], -1e9)
