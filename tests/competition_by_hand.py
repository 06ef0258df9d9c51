"""The game of several providers once more, slowly and without a line of the package.

A market is a plain dict of `Competition`'s parameters, with every provider's own ones (M,),
`access_cost` (M, K), and `ssim` a list of M: {"alpha", "beta"}, {"gain", "scale"} or {"table":
(steps, values)}.
"""

import functools

import numpy as np


def steps_and_worth(market, m, price):
    """(…, K) what VMUs buy for a request to provider m at a price (…), and what that is worth."""
    delta, model = np.asarray(market["satisfaction"]), market["ssim"][m]
    steps = purchases(model, delta, price, market["min_steps"], market["max_steps"])
    paid = np.asarray(price, float)[..., None] * steps
    return steps, delta * gain(model, steps) - paid - np.asarray(market["access_cost"])[m]


def purchases(model, delta, price, low, high):
    """(…, K) what VMUs of some δ (K,) buy at a price (…), within bounds."""
    price = np.asarray(price, float)[..., None]
    if "scale" in model:
        return np.clip(
            -model["scale"] * np.log(price / delta * model["scale"] / model["gain"]), low, high
        )
    if "table" not in model:
        return np.clip((price / delta - model["beta"]) / (2 * model["alpha"]), low, high)
    steps, best = low, -np.inf
    for choice in sensible_steps(model, low, high):
        earned, paid = delta * gain(model, choice), price * choice
        takes = earned - paid >= best - 1e-11 * (1 + abs(earned) + paid)  # ties take the most steps
        steps, best = np.where(takes, choice, steps), np.maximum(earned - paid, best)
    return steps


def sensible_steps(model, low, high):
    """Revenue is linear between the points of a table, so VMUs buy at a point or at a bound."""
    points = np.asarray(model["table"][0], float)
    return np.unique(np.concatenate([[low, high], points[(points > low) & (points < high)]]))


def gain(model, steps):
    """SSIM(S) − SSIM(0)."""
    if "table" in model:
        return np.interp(steps, *model["table"]) - np.interp(0.0, *model["table"])
    if "scale" in model:
        return -model["gain"] * np.expm1(-steps / model["scale"])
    return model["alpha"] * steps**2 + model["beta"] * steps


def utility(market, seat, prices, own):
    """U of one provider at its own prices (G,), while the others ask `prices` (M,)."""
    return _earned(market, [own if m == seat else prices[m] for m in range(len(prices))])[seat]


def utilities(market, prices):
    """(M,) U of every provider."""
    return np.array(_earned(market, prices))


def total(market, prices):
    """(…) Σ U at prices (…, M)."""
    return sum(_earned(market, np.moveaxis(np.asarray(prices, float), -1, 0)))


def _earned(market, prices):
    """U of each provider at the prices of all, which broadcast."""
    steps, worth = zip(*(steps_and_worth(market, m, p) for m, p in enumerate(prices)), strict=True)
    options = [*worth] if market["outside"] is None else [*worth, market["outside"]]
    best = functools.reduce(np.maximum, options)
    odds = [np.exp((option - best) / market["temperature"]) for option in options]
    earned = []
    for m, price in enumerate(prices):
        demand = np.sum(odds[m] / sum(odds) * steps[m], axis=-1)
        if market["capacity"] is not None:
            demand = np.minimum(demand, market["capacity"][m])
        earned.append((np.asarray(price) - market["cost"][m]) * demand)
    return earned


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
