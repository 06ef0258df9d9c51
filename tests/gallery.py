"""Rounds of all kinds to look at: at a price, of several providers, and from a menu."""

from rounds import competition_record, menu_record, record


def even(K):
    return [(k + 0.5) / K for k in range(K)]


NOBODY = {"asked": [0.0] * 2, "delivered": [0.0] * 2, "quality": [0.0] * 2, "utility": 0.0}
NO_NASH = dict.fromkeys(("nash_prices", "nash_utility", "profit_gain", "mean_profit_gain"))
UNJUDGED = {"cartel_prices": None, "cartel_utility": None, **NO_NASH}
UNSOLD = {"demand": [[0.0] * 2] * 2, "sold": [0.0] * 2}
CALVANO = {
    "max_price": [3.0, 3.0],
    "min_steps": 1.0,
    "max_steps": 1.0,
    "prices": [1.9, 1.92],
    "nash_prices": [1.472927] * 2,
    "cartel_prices": [1.924981] * 2,
    "utility": [0.347, 0.3275],
    "nash_utility": [0.222927] * 2,
    "cartel_utility": [0.33749] * 2,
    "shares": [[0.39], [0.36]],
    "demand": [[0.39], [0.36]],
    "sold": [0.39, 0.36],
    "vmu_utility": [0.338],
}


NO_MENU = {"steps": [0.0] * 2, "fees": [0.0] * 2, "quality": [0.0] * 2, "taken": [0] * 2}
MIXED = [1, 1, 0, 2, 2, 0, 1, 1, 0, 2, 2, 1]


def scaled(scale, M=6, K=5):
    """With all money times a number."""
    first = competition_record(M, K)
    money = ("cost", "max_price", "prices", "nash_prices", "cartel_prices", "utility")
    money += ("nash_utility", "cartel_utility", "vmu_utility")
    return first._replace(**{n: [scale * v for v in getattr(first, n)] for n in money})


GALLERY = {
    "paper": record(),
    "waiting": record(number=0, **NOBODY),
    "one": record(1),
    "ten cut": record(10, capacity=500.0, asked=[158.2] * 10, delivered=[50.0] * 10),
    "twelve": record(12, active=[k % 3 > 0 for k in range(12)]),
    "thirteen": record(13),
    "thousand": record(1000),
    "slots": record(1000, active=[k % 4 == 0 for k in range(1000)]),
    "cut": record(capacity=100.0, asked=[86.2] * 2, delivered=[50.0] * 2),
    "cut crowd": record(1000, capacity=2e4, asked=[86.2] * 1000, delivered=[20.0] * 1000),
    "large": record(utility=2.2e6, equilibrium_utility=705_000.0, regret=548_973.0),
    "millions": record(
        price=9e6, equilibrium_price=8e6, max_price=2e7, utility=1.38e9, equilibrium_utility=1.41e9
    ),
    "small": record(price=9e-6, equilibrium_price=8e-6, max_price=2e-5, utility=1.38e-3),
    "nobody buys": record(**NOBODY),
    "nobody is there": record(**NOBODY, active=[False] * 2),
    "no trade": record(**NOBODY, equilibrium_utility=0.0, regret=0.0),
    "floor": record(min_steps=120.0, max_steps=160.0),
    "live": record(images=["80" * 48] * 2, ssim=[0.5, 0.6]),
    "live twelve": record(12, images=["80" * 48] * 12, ssim=[0.5] * 12),
    "duopoly": competition_record(),
    "duopoly waiting": competition_record(number=0, **NO_NASH, **UNSOLD),
    "monopoly": competition_record(1, 1, profit_gain=[None], mean_profit_gain=None),
    "three": competition_record(3, 12, places=even(12), access_cost=[[20.0] * 12] * 3),
    "six": competition_record(6, 6, cost=[1, 1.2, 1.4, 1.6, 1.8, 2.0]),
    "ten": competition_record(10, 12),
    "thirty": competition_record(
        30, 1000, places=even(1000), prices=[5 + m / 10 for m in range(30)]
    ),
    "no Nash": competition_record(**NO_NASH),
    "unjudged": competition_record(**UNJUDGED),
    "two cut": competition_record(capacity=[100.0, 1e4], sold=[100.0, 129.3]),
    "six cut": competition_record(6, capacity=[20.0] * 6, sold=[20.0] * 6),
    "two unsold": competition_record(**UNSOLD),
    "Calvano": competition_record(2, 1, **CALVANO),
    "far off": competition_record(profit_gain=[-12.3, 45.6], mean_profit_gain=-5.67),
    "alike": competition_record(prices=[1.0] * 2, nash_prices=[1.0] * 2, cartel_prices=[1.0] * 2),
    "six millions": scaled(1e7),
    "six millionths": scaled(1e-6),
    "many millions": scaled(1e7, 10, 1000),
    "menu": menu_record(),
    "menu waiting": menu_record(number=0, surplus=[0.0] * 2, utility=0.0, regret=0.0, **NO_MENU),
    "menu of nothing": menu_record(surplus=[0.0] * 2, utility=0.0, **NO_MENU),
    "one contract": menu_record(1, 1),
    "four": menu_record(4, 12),
    "eight": menu_record(8, 10),
    "mixed": menu_record(3, 12, taken=MIXED, best_taken=MIXED[::-1]),
    "eight, a thousand": menu_record(8, 1000),
    "forty": menu_record(40, 1000),
    "forty, ten": menu_record(40, 10),
    "best": menu_record(steps=[158.046, 181.0], fees=[1126.0776, 1195.0]),
    "best twice": menu_record(
        4,
        3,
        best_steps=[0.0, 150.0, 150.0 + 1e-9, 190.0],
        best_fees=[0.0, 1100.0, 1100.0, 1250.0],
        best_taken=[2, 4, 3],
    ),
    "one twice": menu_record(steps=[100.0] * 2, fees=[500.0] * 2),
    "worthless": menu_record(
        best_steps=[0.0] * 2, best_fees=[0.0] * 2, best_taken=[0, 0], equilibrium_utility=0.0
    ),
    "at a loss": menu_record(cost=30.0, utility=-2000.0, regret=2500.0),
    "low fees": menu_record(max_fee=1e7),
    "menu of millions": menu_record(
        fees=[1e7, 2e7], best_fees=[1.1e7, 2.2e7], max_fee=3e7, cost=5e4, utility=2.5e7
    ),
}
