"""TPPO's network for hidden markets: a causal encoder–decoder transformer over rounds and VMUs.

One network, three ways to run it that agree: a step at a time with cached keys (`start`, `step`),
a whole episode in one pass (`episode`), and a window of past rounds (`window`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.tppo.statistics import Memory, Seen, ridge_line, spread

_OWN = 5
_OWN_PER_DECAY = 7
_MARKET = 2
_MARKET_PER_DECAY = 3
_LEAST_SLOPE = 0.02
_EDGE = 0.01


@dataclass(frozen=True)
class Terms:
    """What the leader knows of the market it plays in."""

    cost: float = 1.0
    max_price: float = 20.0
    min_steps: float = 10.0
    max_steps: float = 250.0

    @property
    def price_unit(self) -> float:
        """Money per step that the network counts as 1."""
        return self.max_price / 2

    @property
    def steps_unit(self) -> float:
        """Steps that the network counts as 1."""
        return self.max_steps / 2.5


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
    decays: tuple[float, ...] = (1.0, 0.9, 0.7)
    """Forgetting of the demand lines in the tokens; empty for none: then nothing but attention
    remembers."""


class Output(NamedTuple):
    """For each decision."""

    action: Tensor
    """(…) mean price, from −1 (the cost) to 1 (p_max)."""
    value: Tensor
    """(…) what the critic expects of the round."""


class Cache:
    """An episode as `MarketTransformer.step` has seen it."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.stays: list[Tensor] = []
        self.decoder_keys: list[Tensor] = []
        self.decoder_values: list[Tensor] = []


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
        """Queries (…, Q, width) on keys (…, heads, L, size); bias (…, heads or 1, Q, L)."""
        query = self.split(self.query(x)).transpose(-2, -3)
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) + bias
        mixed = scores.softmax(dim=-1) @ value
        return self.out(mixed.transpose(-2, -3).flatten(-2))


class MarketTransformer(nn.Module):
    """Prices from past prices and purchases.

    The encoder attends, within each VMU's own past (or the market's, where tokens are rounds), to
    the last `band` rounds; its encoding feeds the critic. The decoder's query is the last price and
    purchases; it attends to the encoded VMUs (or rounds) and moves the price away from the one that
    would be best if the fitted demand lines were true.

    Args:
        terms: the market's public parameters.
        shape: the architecture.

    Raises:
        ValueError: a width that the heads do not divide, or tokens a round without `slots`.
    """

    def __init__(self, terms: Terms, shape: Shape = Shape()) -> None:
        super().__init__()
        if shape.width % shape.heads:
            raise ValueError(f"heads must divide width = {shape.width}, got {shape.heads}")
        if shape.tokens == "round" and shape.slots < 1:
            raise ValueError(f"slots must be K where tokens are rounds, got {shape.slots}")
        self.terms, self.shape = terms, shape
        width, rates = shape.width, len(shape.decays)
        market = _MARKET + _MARKET_PER_DECAY * rates
        own = (_OWN + _OWN_PER_DECAY * rates) * (shape.slots if shape.tokens == "round" else 1)
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
        self.head = nn.Linear(width, 2 + rates)
        with torch.no_grad():  # small gain: training begins at the fitted lines' price
            self.head.weight *= 0.05
            self.head.bias.zero_()
        self.value = nn.Linear(width, 1)
        self.log_std = nn.Parameter(torch.tensor(-1.5))
        self.prior = nn.Parameter(torch.tensor([[1.8, 0.9]] * rates).reshape(rates, 2))
        self.log_strength = nn.Parameter(torch.full((rates, 2), -1.0))
        self.jump = nn.Parameter(torch.tensor([2.0, 0.0]))

    # --- units

    def price(self, action: Tensor) -> Tensor:
        """Unit prices that actions in [−1, 1] mean."""
        terms = self.terms
        return terms.cost + (action.clamp(-1, 1) + 1) / 2 * (terms.max_price - terms.cost)

    def begin(self, active: Tensor) -> Memory:
        """Memory of episodes before their first round; `active` (B, K)."""
        cost = active.new_full(active.shape[:1], self.terms.cost / self.terms.price_unit)
        least = self.terms.min_steps / self.terms.steps_unit
        return Memory(active, self.shape.decays, cost, least)

    def observe(self, memory: Memory, price: Tensor, steps: Tensor, active: Tensor) -> Seen:
        """Take in a round in physical units; shapes as `Memory.observe`."""
        return memory.observe(price / self.terms.price_unit, steps / self.terms.steps_unit, active)

    # --- a step at a time

    def start(self, active: Tensor) -> tuple[Cache, Output]:
        """The first decision of episodes; `active` (B, K) is 1 for the VMUs that are there."""
        cache = Cache(self.begin(active))
        return cache, self._advance(cache, cache.memory.seen)

    def step(self, cache: Cache, price: Tensor, steps: Tensor, active: Tensor) -> Output:
        """The decision after a round.

        Args:
            cache: of the episodes; it is updated.
            price: (B,) of the round.
            steps: (B, K) bought in it.
            active: (B, K) 1 for the VMUs that will answer the next price.
        """
        return self._advance(cache, self.observe(cache.memory, price, steps, active))

    def _advance(self, cache: Cache, seen: Seen) -> Output:
        token, market, guess = self._read(seen)
        band = self.shape.band
        key, value = self.encoder.keys(self.norms[0](token))
        cache.keys, cache.values = (
            [*cache.keys[1 - band :], key],
            [*cache.values[1 - band :], value],
        )
        cache.stays = [*cache.stays[1 - band :], stay := self._stay(seen)]
        lags = self.encoder.lag[:, : len(cache.keys)].flip(-1)[:, None]
        lags = lags + _closed(torch.stack(cache.stays, -1) == stay[..., None])[..., None, None, :]
        encoded = self._encode(
            token[..., None, :], torch.stack(cache.keys, -2), torch.stack(cache.values, -2), lags
        )[..., 0, :]
        key, value = self.decoder.keys(encoded)
        band = self.decoder.band
        cache.decoder_keys = [*cache.decoder_keys[1 - band :], key] if band > 1 else [key]
        cache.decoder_values = [*cache.decoder_values[1 - band :], value] if band > 1 else [value]
        if self.shape.tokens == "vmu":
            keys, values = key.transpose(-2, -3), value.transpose(-2, -3)
            bias = self._absent(seen)
        else:
            keys = torch.stack(cache.decoder_keys, -2)[..., 0, :, :, :]
            values = torch.stack(cache.decoder_values, -2)[..., 0, :, :, :]
            bias = self.decoder.lag[:, : keys.shape[-2]].flip(-1)[:, None]
        query = self.query(self._question(seen, market))
        return self._decide(query, keys, values, bias, guess, self._critic_input(encoded, seen))

    # --- whole episodes

    def episode(self, seen: Seen) -> Output:
        """All decisions of episodes at once; `seen` has leading axes (B, T), outputs are (B, T)."""
        token, market, guess = self._read(seen)  # (B, T, G, width)
        token = token.transpose(1, 2)  # (B, G, T, width)
        rounds = token.shape[2]
        key, value = (x.transpose(-2, -3) for x in self.encoder.keys(self.norms[0](token)))
        stay = self._stay(seen).transpose(1, 2)
        same = _closed(stay[..., None] == stay[..., None, :])[:, :, None]  # (B, G, 1, T, T)
        bias = _banded(self.encoder.lag, rounds) + same
        encoded = self._encode(token, key, value, bias)
        by_round = encoded.transpose(1, 2)
        key, value = self.decoder.keys(encoded)
        question = self.query(self._question(seen, market))
        if self.shape.tokens == "vmu":  # (B, T, heads, K, size)
            keys, values = (x.permute(0, 2, 3, 1, 4) for x in (key, value))
            return self._decide(
                question,
                keys,
                values,
                self._absent(seen),
                guess,
                self._critic_input(by_round, seen),
            )
        keys, values = (x[:, 0].transpose(1, 2) for x in (key, value))  # (B, heads, T, size)
        bias = _banded(self.decoder.lag, rounds) + same[:, 0]
        return self._decide(question, keys, values, bias, guess, self._critic_input(by_round, seen))

    def window(self, price: Tensor, steps: Tensor, active: Tensor) -> Output:
        """The decision after a window of past rounds, of which leading ones may be padding.

        Args:
            price: (B, n), oldest first. Rows in which the price is the cost and nobody bought are
                padding while no other row precedes them.
            steps: (B, n, K).
            active: (B, n, K), row t: who was there once round t was over.
        """
        padding = ((steps == 0).all(-1) & (price <= self.terms.cost * (1 + 1e-6))).long()
        padding = padding.cumprod(dim=1).bool()
        # Who answered the first price is not in the window, but it shows.
        memory = self.begin(torch.where(padding[:, :1], active[:, 0], (steps[:, 0] > 0).to(price)))
        seen = [memory.seen]
        for t in range(price.shape[1]):
            start = self.begin(active[:, t]).seen
            now = self.observe(memory, price[:, t], steps[:, t], active[:, t])
            memory.seen = Seen(
                *(_choose(padding[:, t], a, b) for a, b in zip(start, now, strict=True))
            )
            seen.append(memory.seen)
        stacked = Seen(*(torch.stack(parts, dim=1) for parts in zip(*seen, strict=True)))
        # What was padded belongs to no stay, so attention passes it by.
        visit = stacked.visit.clone()
        visit[:, :-1][padding] = -1.0
        output = self.episode(stacked._replace(visit=visit))
        return Output(output.action[:, -1], output.value[:, -1])

    # --- the parts

    def _read(self, seen: Seen) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
        """Tokens (…, G, width), market features (…, M), and the guess: u and log ratio, (…, R)."""
        weight = self._active_or_all(seen)[..., None]
        level, slope = self.prior.unbind(-1)
        a, b, determinant = ridge_line(seen.sums, level, slope, *self.log_strength.exp().unbind(-1))
        b = functional.softplus(5 * b) / 5 + _LEAST_SLOPE
        mean_price, deviation, mean_steps = spread(seen.sums)
        rounds = seen.sums[..., 0]
        price = seen.price[..., None]
        own = torch.stack(
            [
                price.expand_as(seen.steps),
                seen.steps,
                seen.present,
                seen.active,
                seen.age.log1p() / 3,
            ],
            dim=-1,
        )
        lines = [
            a,
            b,
            rounds / (rounds + 3),
            mean_price,
            deviation,
            mean_steps,
            determinant.log() / 5,
        ]
        own = torch.cat([own, *lines], dim=-1)
        guess = self._guess(a, b, weight)
        count = weight.sum(-2)
        market = [price, count[..., :1].log1p(), *guess, (a * weight).sum(-2) / count]
        market = torch.cat(market, dim=-1)
        if self.shape.tokens == "round":
            own = own.flatten(-2)[..., None, :]
        wide = market[..., None, :].expand(*own.shape[:-1], -1)
        return self.embed(torch.cat([own, wide], dim=-1)), market, guess

    def _guess(self, a: Tensor, b: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The best price if the lines a, b (…, K, R) were true and had no floor, as a logit of its
        place between cost and p_max; and ln(utility at p_max / utility at that price); (…, R)."""
        terms = self.terms
        cost, top = terms.cost / terms.price_unit, terms.max_price / terms.price_unit
        share = ((a * weight).sum(-2) / (b * weight).sum(-2) - cost) / 2 / (top - cost)
        # Beyond the ends the logit goes on as a line, so that a gradient is left there.
        inside = share.clamp(_EDGE, 1 - _EDGE)
        logit = inside.logit() + (share - inside) / _EDGE
        price = (cost + inside * (top - cost))[..., None, :]
        low, high = (x / terms.steps_unit for x in (terms.min_steps, terms.max_steps))
        sold, at_top = (
            (((a - b * p).clamp(low, high)) * weight).sum(-2)
            for p in (price, torch.full_like(price, top))
        )
        return logit.clamp(-6, 6), (
            (top - cost) * at_top / ((price[..., 0, :] - cost) * sold)
        ).log()

    def _active_or_all(self, seen: Seen) -> Tensor:
        """`active`, or everybody where nobody is (then no price matters)."""
        return torch.where(seen.active.any(-1, keepdim=True), seen.active, 1.0)

    def _stay(self, seen: Seen) -> Tensor:
        """(…, G) equal for the rounds that may attend to each other: those of a VMU's stay."""
        if self.shape.tokens == "vmu":
            return seen.visit
        return seen.visit.amin(-1, keepdim=True).clamp(max=0.0)

    def _question(self, seen: Seen, market: Tensor) -> Tensor:
        facts = [seen.steps.mean(-1, keepdim=True), seen.present.mean(-1, keepdim=True)]
        return torch.cat([market, *facts], dim=-1)

    def _encode(self, token: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        x = token + self.encoder(self.norms[0](token), key, value, bias)
        x = x + self.encoder_mlp(self.norms[1](x))
        return self.norms[2](x)

    def _absent(self, seen: Seen) -> Tensor:
        """Bias (…, 1, 1, K) that hides who will not answer the next price."""
        return _closed(self._active_or_all(seen) > 0)[..., None, None, :]

    def _critic_input(self, encoded: Tensor, seen: Seen) -> Tensor:
        if self.shape.tokens == "round":
            return encoded[..., 0, :]
        weight = self._active_or_all(seen)[..., None]
        return (encoded * weight).sum(-2) / weight.sum(-2)

    def _decide(
        self,
        question: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor,
        guess: tuple[Tensor, Tensor],
        critic: Tensor,
    ) -> Output:
        """Decisions (B, …) of queries (B, …, width); one query attends to each set of keys, or
        those of a whole episode (B, T, width) to keys (B, heads, T, size)."""
        along_time = question.ndim == key.ndim - 1
        x = question if along_time else question[..., None, :]
        x = x + self.decoder(self.norms[3](x), key, value, bias)
        x = x + self.decoder_mlp(self.norms[4](x))
        x = x if along_time else x[..., 0, :]
        shift, jump, *_ = (out := self.head(self.norms[5](x))).unbind(-1)
        if self.shape.decays:
            gates = out[..., 2:].softmax(-1)
            logit, ratio = ((gates * part).sum(-1) for part in (guess[0], guess[1].detach()))
        else:
            logit, ratio = torch.zeros_like(shift), torch.full_like(shift, -0.5)
        inner = torch.sigmoid(logit + 4 * shift)
        at_top = torch.sigmoid(self.jump[0].exp() * (ratio + self.jump[1]) + 8 * jump)
        share = inner + (1 - inner) * at_top
        return Output(2 * share - 1, self.value(critic)[..., 0])


def _closed(open_: Tensor) -> Tensor:
    """0 where attention may look, −1e9 where not."""
    return torch.where(open_, 0.0, -1e9)


def _banded(lag: Tensor, rounds: int) -> Tensor:
    """Bias (heads, T, T) of queries (rows) on keys up to `band` − 1 rounds back."""
    rows = torch.arange(rounds, device=lag.device)
    back = rows[:, None] - rows
    open_ = (back >= 0) & (back < lag.shape[-1])
    return torch.where(open_, lag[:, back.clamp(0, lag.shape[-1] - 1)], -1e9)


def _choose(condition: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """`yes` for the lanes in which the condition (B,) holds."""
    return torch.where(condition.reshape(-1, *[1] * (yes.ndim - 1)), yes, no)
