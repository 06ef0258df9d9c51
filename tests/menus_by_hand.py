"""The best menu once more, by linear programmes with every constraint and no line of the package.

A market is a plain dict, as `brute_force` has it: cost, max_price, min_steps (0), max_steps,
capacity (None), satisfaction (K,), and alpha and beta, gain and scale, or a table (steps, values).
"""

import itertools

import competition_by_hand as by_hand
import numpy as np
from scipy.optimize import linprog

EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def choices(market, menu):
    """(K,) the contract that each VMU takes, counted from 1; 0 for none. A plain double loop."""
    most = by_hand.gain(market, np.linspace(0, market["max_steps"], 20001)).max()
    taken = []
    for delta in market["satisfaction"]:
        offers = [(0.0, 0.0)]  # what a contract is worth to the VMU, and what it pays the leader
        for steps, fee in menu:
            worth = delta * by_hand.gain(market, np.float64(steps)) - fee
            offers.append((worth, fee - market["cost"] * steps))
        best = max(worth for worth, _ in offers)
        near = [i for i, (worth, _) in enumerate(offers) if worth >= best - 1e-9 * delta * most]
        taken.append(max(near, key=lambda i: offers[i][1]))
    return np.array(taken)


def earned(market, menu):
    """The leader's utility where every VMU takes what is best for it."""
    posted = np.vstack([[0.0, 0.0], menu])[choices(market, menu)]
    return float(np.sum(posted[:, 1] - market["cost"] * posted[:, 0]))


def rising(K, contracts):
    """All ways to give the lowest VMUs none, and the others contracts 1, 2, … in order, each used.

    Contracts may be equal, and may be empty: so more of them never exclude what fewer allow.
    """
    for firsts in itertools.combinations(range(K), min(contracts, K)):
        yield np.searchsorted(firsts, np.arange(K), side="right")


def any_order(K, contracts):
    """All ways to give VMUs one of the contracts or none, but for the contracts' names."""
    for taken in itertools.product(range(contracts + 1), repeat=K):
        used = [contract for contract in dict.fromkeys(taken) if contract]
        if used == sorted(used) == list(range(1, len(used) + 1)):
            yield np.array(taken)


def optimum(market, contracts, assignments=rising, tolerance=1e-9):
    """The most that a menu of so many contracts can earn.

    For each assignment of VMUs to contracts the fees and the gains q = SSIM(S) − SSIM(0) are those
    of a convex programme: maximise Σ (T − c·C(q)) where no VMU would rather take another contract,
    or none. C(q), the steps of a gain, is bounded from below by lines, so each programme is a
    linear one that says too much; lines are added where its answer touches, until what it says is
    what its answer earns. Of a table the lines are the convex hull of C: what mixtures of contracts
    would cost, so no menu earns more.

    Returns:
        The optimum, to a share `tolerance` of what all VMUs could pay at most.
    """
    delta = np.sort(market["satisfaction"])
    lines = _Lines(market)
    if lines.most <= 0:
        return 0.0
    scale = delta[-1] * lines.most
    best = 0.0  # of the empty menu
    for taken in assignments(len(delta), contracts):
        programme = _Programme(delta / delta[-1], taken)
        while True:
            bound, gains = programme.solve(lines, market["cost"] / scale)
            if bound <= best + tolerance * len(delta):
                break
            exact = bound - programme.missing(lines, gains, market["cost"] / scale)
            best = max(best, exact)
            if bound - exact <= tolerance * len(delta):
                break
            lines.touch(gains)
    return best * scale


class _Lines:
    """Lines below the cost C(q) in steps of a gain of q·most, q from 0 to 1."""

    def __init__(self, market):
        self.market = market
        top = market["max_steps"]
        if "table" in market:
            steps = by_hand.sensible_steps(market, 0.0, top)
            gains = by_hand.gain(market, steps)
            self.most = gains.max()
            if self.most > 0:
                self.slopes, self.levels = _below(gains / self.most, steps)
            return
        if "scale" not in market:
            top = min(top, -market["beta"] / (2 * market["alpha"]))  # behind it SSIM falls
        self.most = by_hand.gain(market, top)
        self.slopes, self.levels = np.zeros(1), np.zeros(1)
        self.touch(np.linspace(0, 1, 12)[:-1])

    def cost(self, gains):
        """The least steps of a gain: exact, but for tables, where mixtures are."""
        gains, market = np.asarray(gains) * self.most, self.market
        if "table" in market:
            lines = self.slopes * (gains / self.most)[:, None] + self.levels
            return np.max(lines, axis=1)
        if "scale" in market:
            return -market["scale"] * np.log1p(-gains / market["gain"])
        alpha, beta = market["alpha"], market["beta"]
        root = np.sqrt(np.maximum(beta**2 + 4 * alpha * gains, 0))
        return 2 * gains / (beta + root)

    def touch(self, gains):
        """Add the lines that touch C at some gains."""
        market = self.market
        gains = np.minimum(gains, 1 - 1e-12)  # at the vertex of a quadratic C is steep
        steps = self.cost(gains)
        if "scale" in market:
            slope = market["gain"] / market["scale"] * np.exp(-steps / market["scale"])
        else:
            slope = 2 * market["alpha"] * steps + market["beta"]
        slopes = self.most / slope
        self.slopes = np.append(self.slopes, slopes)
        self.levels = np.append(self.levels, steps - slopes * gains)


def _below(x, y):
    """Slopes and levels of the lines through two points that have no point below them, and of 0."""
    slopes, levels = [0.0], [0.0]
    for i, j in itertools.permutations(range(len(x)), 2):
        if x[i] < x[j]:
            slope = (y[j] - y[i]) / (x[j] - x[i])
            level = y[i] - slope * x[i]
            if np.all(y >= slope * x + level - 1e-12 * y.max()):
                slopes.append(slope)
                levels.append(level)
    return np.array(slopes), np.array(levels)


class _Programme:
    """The linear programme of one assignment, over gains q, fees T and costs z of m contracts."""

    def __init__(self, delta, taken):
        K, m = len(delta), taken.max()
        self.buyers = np.bincount(taken, minlength=m + 1)[1:]
        # A VMU of type δ that takes contract a would not rather have b: δ·q_b − T_b ≤ δ·q_a − T_a,
        # none being one more contract, of gain 0 and fee 0.
        rows = np.zeros((K, m + 1, 2, m + 1))
        for k, b in np.ndindex(K, m + 1):
            a = taken[k]
            rows[k, b, 0, b] += delta[k]
            rows[k, b, 1, b] -= 1
            rows[k, b, 0, a] -= delta[k]
            rows[k, b, 1, a] += 1
        self.constraints = rows[..., 1:].reshape(K * (m + 1), 2 * m)
        self.m = m

    def solve(self, lines, cost):
        """The bound, and the gains (m,) that reach it."""
        if not self.m:
            return 0.0, np.zeros(0)
        m, per_contract = self.m, np.eye(self.m)
        epigraph = [
            np.kron(cost * lines.slopes[:, None], per_contract),
            np.zeros((len(lines.slopes) * m, m)),
            np.kron(-np.ones((len(lines.slopes), 1)), per_contract),
        ]
        of_choice = np.hstack([self.constraints, np.zeros((len(self.constraints), m))])
        answer = linprog(
            np.concatenate([np.zeros(m), -self.buyers, self.buyers]),
            A_ub=np.vstack([of_choice, np.hstack(epigraph)]),
            b_ub=np.append(np.zeros(len(of_choice)), np.repeat(-cost * lines.levels, m)),
            bounds=[(0, 1)] * m + [(None, None)] * m + [(0, None)] * m,
            method="highs-ds",
            options=EXACT,
        )
        assert answer.success, answer.message
        return -answer.fun, np.clip(answer.x[:m], 0, 1)

    def missing(self, lines, gains, cost):
        """What the contracts cost beyond what the lines say."""
        said = np.max(lines.slopes * gains[:, None] + lines.levels, axis=1)
        return float(cost * np.sum(self.buyers * (lines.cost(gains) - said)))


TYPES = ("apart", "close", "equal", "pairs", "left out")
KINDS = ("quadratic", "saturating", "concave table", "table")


def draw(rng, K=None):
    """A random market of up to 6 VMUs, with bounds that bind in some of them."""
    K = K or int(rng.integers(1, 7))
    steps = np.append(0.0, np.cumsum(rng.uniform(5, 60, rng.integers(1, 9))))
    slopes = rng.uniform(-0.02, 0.09, len(steps) - 1)
    kind = rng.choice(KINDS)
    if kind == "concave table":
        slopes = np.sort(slopes)[::-1]
    values = 0.3 + np.append(0.0, np.cumsum(slopes * np.diff(steps)))
    model, top = {
        "quadratic": ({"alpha": -rng.uniform(1e-4, 3e-4), "beta": rng.uniform(0.04, 0.09)}, 250.0),
        "saturating": ({"gain": rng.uniform(1, 5), "scale": rng.uniform(15, 90)}, 250.0),
    }.get(kind, ({"table": (steps, values)}, float(steps[-1])))
    return {
        "cost": rng.uniform(0.3, 4.0),
        "max_price": 20.0,
        "min_steps": 0.0,
        "max_steps": top * float(rng.choice([1.0, rng.uniform(0.2, 1.0)])),
        "capacity": None,
        "satisfaction": types(rng, rng.choice(TYPES), K),
        **model,
    }


def types(rng, kind, K):
    """(K,) δ, in no order."""
    middle = 10 ** rng.uniform(2, 2.7)
    if kind == "apart":
        return 10 ** rng.uniform(1.7, 2.9, K)
    if kind == "close":
        return middle * rng.uniform(1.0, 1.3, K)
    if kind == "equal":
        return rng.choice(middle * rng.uniform(0.5, 1.5, 2), K)
    if kind == "pairs":  # a wide gap before a high type makes the one below it cost more
        return middle * rng.choice([1.0, rng.uniform(1.1, 1.5)], K) * rng.uniform(1, 1.05, K)
    return 10 ** rng.uniform(0, 2.7, K)
