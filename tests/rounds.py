"""Records of rounds that nobody has played."""

from aigc_market.rendering import Round


def record(K=2, **changes):
    """A round as the paper's market plays it."""
    fields = {
        "rounds": 100,
        "cost": 1.0,
        "max_price": 20.0,
        "min_steps": 0.0,
        "max_steps": 250.0,
        "number": 7,
        "price": 9.0,
        "equilibrium_price": 8.0,
        "utility": 1379.31,
        "equilibrium_utility": 1408.05,
        "regret": 28.74,
        "capacity": None,
        "asked": [86.2] * K,
        "delivered": [86.2] * K,
        "ssim": [4897.0] * K,
        "quality": [0.6] * K,
        "active": None,
        "images": None,
    }
    return Round(**{**fields, **changes})
