"""Who learns in the experiment: recipes by name, and controls that cannot punish."""

from __future__ import annotations

from dataclasses import replace

from baselines.methods.sellers.deep_recipe import PUBLISHED, SOBER

_DISCOUNTED = replace(SOBER, objective="discounted")
_LEAST = replace(_DISCOUNTED, critic_value="min")
LEARNERS = {
    "sac_average": SOBER,
    "sac": _DISCOUNTED,
    # Who does not look ahead minds no answer, and who remembers nothing sees no deviation.
    "sac_myopic": replace(_DISCOUNTED, gamma=0.0),
    "sac_average_blind": replace(SOBER, memory=False),
    "td3": replace(_LEAST, learner="td3"),
    "ppo": replace(_DISCOUNTED, learner="ppo"),
    "diffusion_td3": replace(_LEAST, learner="diffusion_td3"),
    # A quarter of the updates.
    "sac_average_slow": replace(SOBER, update_every=4),
    "sac_slow": replace(_DISCOUNTED, update_every=4),
    # As published, but for the widths of networks, and as published.
    "sac_published_rates": replace(
        PUBLISHED, actor_width=SOBER.actor_width, critic_width=SOBER.critic_width
    ),
    "sac_published": PUBLISHED,
}
