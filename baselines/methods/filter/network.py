"""The price that is best by the filter, and a learned change of it.

It is learnt on tensors of torch and played on arrays of NumPy, by the same lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from aigc_market._arrays import namespace
from baselines.arena.protocol import PublicParameters
from baselines.methods.filter.arrays import Array, gelu, normalised, sigmoid, times
from baselines.methods.filter.demand_filter import UNFITTED, DemandFilter
from baselines.methods.filter.information import MARKET_INPUTS, OWN_INPUTS, Information


@dataclass(frozen=True)
class Shape:
    """The architecture."""

    width: int = 32
    feedforward: int = 64
    intercepts: int = 24
    """Values of A on the filter's grid."""
    chokes: int = 48
    """Values of q on the filter's grid; an even number."""


def initial(shape: Shape = Shape()) -> nn.ParameterDict:
    """Weights before training, those of the filter among them, drawn by torch's own generator."""
    weights = {name: torch.tensor(value) for name, value in UNFITTED.items()}
    weights["log_prior"] = torch.zeros(shape.intercepts, shape.chokes // 2)

    def linear(name: str, inputs: int, outputs: int, bias: bool = True) -> None:
        layer = nn.Linear(inputs, outputs, bias)
        weights.update({f"{name}_{part}": value.data for part, value in layer.named_parameters()})

    width, feedforward = shape.width, shape.feedforward
    linear("embed", OWN_INPUTS, width)
    linear("embed_market", MARKET_INPUTS, width, bias=False)
    linear("query", MARKET_INPUTS, width)
    linear("pool", width, width)
    for name in ("encoder", "decoder"):
        linear(f"{name}_in", width, feedforward)
        linear(f"{name}_out", feedforward, width)
    for name in ("encoder", "encoded", "decoder", "head"):
        weights |= {f"{name}_scale": torch.ones(width), f"{name}_shift": torch.zeros(width)}
    # Training begins at the filter's best price.
    weights |= {"head_weight": torch.zeros(2, width), "head_bias": torch.zeros(2)}
    # How far prices go above and below by turns, how soon that declines, and how much farther above
    weights["dispersion"] = torch.tensor([-0.4, 0.7, 0.4])
    weights["opening"] = torch.zeros(())  # moves the first price
    weights["log_std"] = torch.tensor(-torch.inf)  # of the noise that is played
    return nn.ParameterDict({name: nn.Parameter(value) for name, value in weights.items()})


def in_numpy(weights: nn.ParameterDict) -> dict[str, np.ndarray]:
    """Weights to play with: views of those that are learnt, which follow them."""
    return {name: value.detach().numpy() for name, value in weights.items()}


class PricingNetwork:
    """Prices from past prices and purchases.

    The last round of each VMU is encoded alone; the mean over those that will answer next, and the
    market's own facts, move the price away from the one that is best in expectation by the filter.
    So the order of VMUs and their number play no part.

    Args:
        public: the market's public parameters; K plays no part.
        weights: by name, see `initial`: arrays of NumPy, or tensors, through which gradients flow.
    """

    def __init__(
        self, public: PublicParameters, weights: Mapping[str, Array] | nn.ParameterDict
    ) -> None:
        self.public, self._weights = public, dict(weights.items())
        self.demand_filter = DemandFilter(public, self._weights)

    def price(self, action: Array) -> Array:
        """Unit prices that actions in [−1, 1] mean."""
        public = self.public
        return public.cost + (action.clip(-1, 1) + 1) / 2 * (public.max_price - public.cost)

    def pooled(self, known: Information) -> Array:
        """The mean (…, width) of the encodings of the VMUs that will answer."""
        of_market = times(known.market, self._weights["embed_market_weight"].T)
        token = self._linear("embed", known.own) + of_market[..., None, :]
        encoded = self._norm("encoded", token + self._perceptron("encoder", token))
        count = known.active.sum(-1)[..., None].clip(1)
        return (encoded * known.active[..., None]).sum(-2) / count

    def action(self, known: Information, pooled: Array | None = None) -> Array:
        """Decisions (…), from −1 (the cost) to 1 (max_price).

        Args:
            known: before them.
            pooled: of it, where it is there already.
        """
        xp = namespace(known.market)
        pooled = self.pooled(known) if pooled is None else pooled
        x = self._linear("query", known.market) + self._linear("pool", pooled)
        x = self._norm("head", x + self._perceptron("decoder", x))
        change = 4 * self._linear("head", x)
        # Prices that vary too little never tell a line's slope: rounds take turns above and below.
        # The first price has none to differ from.
        size, decline, lean = (self._weights["dispersion"][i] for i in range(3))
        turn = 1 - 2 * (known.round % 2)
        width = size + lean * turn - decline * xp.log1p(known.round) + change[..., 1]
        spread = xp.where(known.round > 0, turn * xp.exp(width), self._weights["opening"])
        return 2 * sigmoid(known.best_logit + change[..., 0] + spread) - 1

    def _linear(self, name: str, x: Array) -> Array:
        return times(x, self._weights[f"{name}_weight"].T) + self._weights[f"{name}_bias"]

    def _norm(self, name: str, x: Array) -> Array:
        return normalised(x) * self._weights[f"{name}_scale"] + self._weights[f"{name}_shift"]

    def _perceptron(self, name: str, x: Array) -> Array:
        """A hidden layer, behind a normalisation."""
        hidden = gelu(self._linear(f"{name}_in", self._norm(name, x)))
        return self._linear(f"{name}_out", hidden)
