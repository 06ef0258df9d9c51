"""How each method is drawn, in every figure: the colour tells its family, the dashes the member."""

from __future__ import annotations

from typing import Any

from aigc_market import palette

_FAMILIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    # What a family's methods share is how they get to a price; see `baselines.arena.registry`.
    (palette.MUTED, ("random", "constant")),
    (palette.OLIVE, ("greedy", "epsilon_greedy")),
    (palette.PURPLE, ("cils", "cils_discounted", "controlled_variance", "likelihood_grid")),
    (palette.VERMILLION, ("kalman", "kalman_total", "thompson")),
    (palette.ORANGE, ("ppo", "recurrent_ppo", "ppo_statistics", "recurrent_ppo_statistics")),
    (palette.SKY, ("tppo", "causal_ppo")),
    (palette.BLUE, ("pathwise_mlp", "filter_pathwise", "filter_ppo", "filter", "filter_unfitted")),
    (palette.BLACK, ("bayes_information", "bayes", "bayes_thompson")),
)
_DASHES = ("-", "--", ":", "-.", (0, (1, 3)))

STYLES: dict[str, dict[str, Any]] = {
    method: {"color": color, "linestyle": dashes}
    for color, methods in _FAMILIES
    for method, dashes in zip(methods, _DASHES, strict=False)
} | {"equilibrium": {"color": palette.EQUILIBRIUM, "linestyle": "--"}}
"""Matplotlib's `color` and `linestyle` of the methods of the registry that ablate no other."""
