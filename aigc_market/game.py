"""Until all is moved."""

from aigc_market.rules import *  # noqa: F403
from aigc_market.rules import Settlement, present


def purchase(price, satisfaction, ssim, min_steps, max_steps, active=None):
    """Until all is moved."""
    steps = ssim.demand(price / satisfaction, min_steps, max_steps)
    return steps if active is None else present(active, steps)


def best_responses(layout, price):
    """Until all is moved."""
    return Settlement(layout, price, layout.rational(price))
