"""The game of several providers once more, slowly and without a line of the package.

A market is a plain dict of `Competition`'s parameters, with every provider's own ones (M,),
`access_cost` (M, K), and `ssim` a list of M: {"alpha", "beta"}, {"gain", "scale"} or {"table":
(steps, values)}.
"""

import numpy as np


def steps_and_worth(market, m, price):
    """(…, K) what VMUs buy for a request to provider m at a price (…), and what that is worth."""
    delta, model = np.asarray(market["satisfaction"]), market["ssim"][m]
    price = np.asarray(price, float)[..., None]
    low, high = market["min_steps"], market["max_steps"]
    if "table" in model:
        points = np.asarray(model["table"][0], float)
        choices = np.unique([low, high, *points[(points > low) & (points < high)]])
        steps = np.full(price.shape[:-1] + delta.shape, low, float)
        best = delta * _gain(model, low) - price * low
        for choice in choices[1:]:
            value = delta * _gain(model, choice) - price * choice
            takes = value >= best - 1e-12 * (1 + abs(best))  # ties take the most steps
            steps, best = np.where(takes, choice, steps), np.maximum(value, best)
    else:
        steps = np.clip(_steps_inside(model, price / delta), low, high)
        best = delta * _gain(model, steps) - price * steps
    return steps, best - np.asarray(market["access_cost"])[m]


def _steps_inside(model, rate):
    """Where a step more gains `rate`."""
    if "scale" in model:
        return -model["scale"] * np.log(rate * model["scale"] / model["gain"])
    return (rate - model["beta"]) / (2 * model["alpha"])


def _gain(model, steps):
    if "table" in model:
        return np.interp(steps, *model["table"]) - np.interp(0.0, *model["table"])
    if "scale" in model:
        return -model["gain"] * np.expm1(-steps / model["scale"])
    return model["alpha"] * steps**2 + model["beta"] * steps


def utility(market, seat, prices, own):
    """U of one provider at its own prices (G,), while the others ask `prices` (M,)."""
    mu = market["temperature"]
    steps, worth = steps_and_worth(market, seat, own)
    others = [steps_and_worth(market, m, prices[m])[1] for m in range(len(prices)) if m != seat]
    if market["outside"] is not None:
        others.append(np.full(worth.shape[-1:], market["outside"]))
    odds = sum((np.exp(np.clip((other - worth) / mu, -700, 700)) for other in others), 0.0)
    demand = np.sum(steps / (1 + odds), axis=-1)
    if market["capacity"] is not None:
        demand = np.minimum(demand, market["capacity"][seat])
    return (np.asarray(own) - market["cost"][seat]) * demand


def utilities(market, prices):
    """(M,) U of every provider."""
    return np.array([float(utility(market, m, prices, prices[m])) for m in range(len(prices))])


def total(market, prices):
    """(…) Σ U at prices (…, M)."""
    prices = np.asarray(prices, float)
    mu, M = market["temperature"], prices.shape[-1]
    answers = [steps_and_worth(market, m, prices[..., m]) for m in range(M)]
    steps, worth = (np.stack([answer[i] for answer in answers]) for i in (0, 1))
    best = worth.max(axis=0)
    if market["outside"] is not None:
        best = np.maximum(best, market["outside"])
    odds = np.exp((worth - best) / mu)
    whole = odds.sum(axis=0)
    if market["outside"] is not None:
        whole = whole + np.exp((market["outside"] - best) / mu)
    demand = np.sum(odds / whole * steps, axis=-1)
    if market["capacity"] is not None:
        limit = np.reshape(market["capacity"], (M,) + (1,) * (prices.ndim - 1))
        demand = np.minimum(demand, limit)
    margin = np.moveaxis(prices, -1, 0) - np.reshape(
        market["cost"], (M,) + (1,) * (prices.ndim - 1)
    )
    return np.sum(margin * demand, axis=0)


OLD, NEW = ("quadratic", "table", "both"), ("saturating", "all")
"""Kinds of models."""


def draw(rng, temperature=None, providers=None, followers=None, kinds=OLD):
    """A random market, with or without capacities and a way out.

    Its models are of one of the kinds: "quadratic", "table" or "both", "saturating" or "all" three.
    """
    M = providers or int(rng.integers(1, 6))
    K = followers or int(rng.integers(1, 51))
    kind = rng.choice(kinds)

    def model():
        if kind == "saturating" or (kind == "all" and rng.random() < 0.5):
            return {"gain": rng.uniform(1, 5), "scale": rng.uniform(15, 90)}
        if kind == "quadratic" or (kind in ("both", "all") and rng.random() < 0.5):
            return {"alpha": -rng.uniform(1e-4, 3e-4), "beta": rng.uniform(0.05, 0.09)}
        inner = np.sort(rng.uniform(5, 245, rng.integers(1, 10)))
        steps = np.concatenate([[0.0], inner, [250.0]])
        values = np.cumsum(np.concatenate([[0.0], rng.uniform(0.1, 1.5, len(steps) - 1)]))
        return {"table": (steps, values)}

    shared = [model()] * M
    floor = float(rng.choice([0.0, 0.0, 20.0]))
    return {
        "M": M,
        "K": K,
        "cost": rng.uniform(0.5, 3, M),
        "max_price": np.full(M, 20.0),
        "satisfaction": 10 ** rng.uniform(1.7, 2.6, K),
        "min_steps": floor,
        "max_steps": 250.0,
        "capacity": None if rng.random() < 0.5 else (rng.uniform(30, 150, M) / M + floor) * K,
        "ssim": shared if rng.random() < 0.3 else [model() for _ in range(M)],
        "access_cost": rng.uniform(0, 60, (M, K)),
        "temperature": temperature or float(10 ** rng.uniform(np.log10(5), np.log10(160))),
        "outside": None if rng.random() < 0.5 else float(rng.uniform(-20, 60)),
    }
