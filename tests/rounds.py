"""Records of rounds that nobody has played."""

from aigc_market.rendering import CompetitionRound, MenuRound, Round


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


def competition_record(M=2, K=2, **changes):
    """A round as equal providers of the paper's market may play it."""
    fields = {
        "rounds": 100,
        "cost": [1.0] * M,
        "max_price": [20.0] * M,
        "min_steps": 0.0,
        "max_steps": 250.0,
        "number": 7,
        "prices": [6.0 + m / 10 for m in range(M)],
        "nash_prices": [5.5] * M,
        "cartel_prices": [8.0] * M,
        "utility": [645.0 + m for m in range(M)],
        "nash_utility": [600.0] * M,
        "cartel_utility": [704.0] * M,
        "profit_gain": [0.4 + m / 20 for m in range(M)],
        "mean_profit_gain": 0.425,
        "capacity": None,
        "shares": [[1 / M] * K] * M,
        "demand": [[129.3 / M] * K] * M,
        "sold": [129.3 / M * K] * M,
        "vmu_utility": [870.0] * K,
        "access_cost": [[0.0] * K] * M,
        "places": None,
    }
    return CompetitionRound(**{**fields, **changes})


def menu_record(L=2, K=2, **changes):
    """A round as a leader with too dear a small contract plays it; VMUs of rising types."""
    fields = {
        "rounds": 100,
        "cost": 1.0,
        "max_fee": 2020.5,
        "max_steps": 250.0,
        "number": 7,
        "steps": [240.0 * (i + 1) / (L + 1) for i in range(L)],
        "fees": [1700.0 * (i + 1) / (L + 1) for i in range(L)],
        "best_steps": [158.046 + 45.977 * i / L for i in range(L)],
        "best_fees": [1126.0776 + 137.931 * i / L for i in range(L)],
        "taken": [k * (L + 1) // K for k in range(K)],
        "best_taken": [k * L // K + 1 for k in range(K)],
        "satisfaction": [150.0 + 100 * k / K for k in range(K)],
        "surplus": [k * 10.0 for k in range(K)],
        "quality": [0.5 + i / 2 / L for i in range(L)],
        "utility": 1379.31,
        "equilibrium_utility": 2028.02,
        "regret": 648.71,
    }
    return MenuRound(**{**fields, **changes})
