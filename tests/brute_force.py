"""The game solved once more, slowly and without a line of the package: what tests compare with.

A market is a plain dict: cost, max_price, min_steps, max_steps, capacity (or None), satisfaction
(K,), and alpha and beta or gain and scale (numbers or (K,)), or a table (steps, values).
"""

import itertools

import competition_by_hand as by_hand
import numpy as np
from scipy.optimize import brentq, minimize_scalar


def utility(market, price):
    """U_p at a price, against VMUs who choose by comparing all they could sensibly buy."""
    demand = purchases(market, price).sum()
    if market["capacity"] is not None:
        demand = min(demand, market["capacity"])
    return (price - market["cost"]) * demand


def purchases(market, price):
    """(K,) what VMUs buy."""
    limits = market["min_steps"], market["max_steps"]
    return by_hand.purchases(market, market["satisfaction"], price, *limits)


def surplus(market, price, steps):
    """δ·(SSIM(S) − SSIM(0)) − p·S of each VMU."""
    return market["satisfaction"] * by_hand.gain(market, steps) - price * steps


def optimum(market):
    """The leader's best utility: U_p tried at every price that can be best."""
    return max(utility(market, price) for price in candidates(market))


def candidates(market):
    cost, top = market["cost"], market["max_price"]
    bends = _table_bends(market) if "table" in market else _smooth_bends(market)
    bends = bends[(bends > cost) & (bends < top)]
    edges = np.unique(np.concatenate([[cost, top], bends]))
    if "table" in market:
        return edges  # demand is flat in between: only right ends can be best
    return np.concatenate([edges, _inside_pieces(market, edges)])


def _smooth_bends(market):
    """Prices at which the interior purchase of some VMU meets a bound."""
    bends = []
    for bound in (market["min_steps"], market["max_steps"]):
        if "scale" in market:
            slope = market["gain"] / market["scale"] * np.exp(-bound / market["scale"])
        else:
            slope = market["beta"] + 2 * market["alpha"] * bound
        bends.append(market["satisfaction"] * slope)
    return np.concatenate(bends)


def _inside_pieces(market, edges):
    """On each piece demand falls smoothly: where its revenue peaks, and where it meets R."""
    look = _where_it_falls_by_a_logarithm if "scale" in market else _where_it_falls_by_a_line
    inside = []
    for low, high in itertools.pairwise(edges):
        inside += [price for price in look(market, low, high) if low < price < high]
    return np.array(inside)


def _where_it_falls_by_a_line(market, low, high):
    p, q = low + (high - low) / 3, low + 2 * (high - low) / 3
    demand_p, demand_q = (purchases(market, x).sum() for x in (p, q))
    a = (demand_q - demand_p) / (q - p) if q > p else 0.0
    if a >= 0:
        return
    b = demand_p - a * p
    yield (market["cost"] - b / a) / 2
    if market["capacity"] is not None:
        yield (market["capacity"] - b) / a


def _where_it_falls_by_a_logarithm(market, low, high):
    """By SciPy's searches: there is one peak of revenue on a piece, and one clearing price."""

    def demand(price):
        return purchases(market, price).sum()

    def loss(price):
        return -(price - market["cost"]) * demand(price)

    yield minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-9}).x
    capacity = market["capacity"]
    if capacity is not None and demand(high) < capacity < demand(low):
        yield brentq(lambda price: demand(price) - capacity, low, high, xtol=1e-14)


def _table_bends(market):
    """Prices at which some VMU is indifferent between two purchases."""
    steps = by_hand.sensible_steps(market, market["min_steps"], market["max_steps"])
    values = np.interp(steps, *market["table"])
    low, high = np.triu_indices(len(steps), 1)
    rates = (values[high] - values[low]) / (steps[high] - steps[low])
    return np.outer(market["satisfaction"], rates).ravel()
