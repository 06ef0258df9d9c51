"""What other packages say of our answers, as tables: docs/peers.csv, which `make peers` writes."""

from __future__ import annotations

from measurements import only, table

from baselines.report import table as markdown

CLAIMS = {
    "price": {
        "No purchase is worth more to a VMU than `best_response`": {
            "cvxpy": ("convex programme", "best response", "best response's surplus")
        },
        "No price earns more than `solve`'s: capacity, S_min, ties; tables and parabolas": {
            "scipy": ("bilevel programme, HiGHS", "price of a table", "price of a parabola")
        },
        "… where SSIM saturates": {
            "scipy": ("bilevel programme, HiGHS", "price of a saturating curve"),
            "cvxpy": ("a convex programme of each piece", "price of a saturating curve"),
        },
        "`solve` is what a leader commits to, and drawing prices at random earns no more": {
            "open-spiel": ("`stackelberg_lp`", "commitment")
        },
        "`solve` where demand is linear, and where it is what rivals leave of it": {
            "econgym": (
                "`BertrandDiffEnv`, its `equilibrium()`",
                "linear demand",
                "replies to linear demand",
                "Nash of linear demand",
            )
        },
    },
    "several": {
        "Shares and profits at any prices": {
            "pyblp": ("`compute_profits`, its logit", "any prices"),
            "econgym": ("`BertrandEnv`, as μ goes to 0", "payoffs without taste"),
        },
        "`nash`: prices, shares, profits and users' utility": {
            "pyblp": (
                "`replace_endogenous`, ζ-markup",
                "Nash prices",
                "Nash shares",
                "Nash profits",
                "users' utility",
                "Calvano's Nash",
                "certified prices",
            ),
            "open-spiel": ("`nash_conv`: nobody gains", "Nash prices"),
            "econgym": ("`equilibrium()`, as μ goes to 0", "Nash without taste"),
        },
        "`best_deviation` and `nash_conv`: what a provider could still gain": {
            "pyblp": ("`compute_profits`; ζ-markup of one firm", "best replies", "better prices"),
            "open-spiel": ("`nash_conv`", "NashConv"),
        },
        "… both, with capacities and elastic steps": {
            "scipy": ("global search", "nobody gains", "best deviation")
        },
        "`cartel`: prices and profits": {
            "pyblp": ("joint ownership, best of six starts", "cartel", "Calvano's cartel"),
            "econgym": ("monopoly, as μ goes to 0", "cartel without taste"),
        },
        "… its total, with capacities, elastic steps, or no way out": {
            "scipy": ("global search, best of two or three", "total of a cartel")
        },
    },
    "learning": {
        "The 15 prices and the profits of Calvano's duopoly": {
            "scipy": ("`brentq`, `lambertw`, the printed logit", "price table")
        },
        "All pure equilibria of a round on a grid, no more and no fewer": {
            "nashpy": ("`is_best_response`", "pure price equilibria"),
            "open-spiel": ("`nash_conv`, `iterated_dominance`", "pure price equilibria"),
            "econgym": ("`support_enumeration`", "equilibria without taste"),
        },
        "The compiled Q-learner: tables and greedy prices after 20,000 periods": {
            "econgym": ("`QLearner`, given Calvano's rules", "Q-learning")
        },
        "Profits of a run, and its profit gain Δ": {
            "econgym": ("`run_episode`, `delta_index`", "profits of a run", "profit gain")
        },
        "The best reply for ever to a learned strategy": {
            "scipy": ("linear programme of the MDP, HiGHS", "best reply for ever")
        },
    },
    "menus": {
        "No menu earns more than `solve_menu`'s, with one contract for each VMU": {
            "cvxpy": ("all constraints, Clarabel", "best menu")
        },
        "… with few contracts": {
            "scipy": ("mixed-integer programme, HiGHS", "menu of few contracts")
        },
        "… with an entry fee and a price per step (`best_tariff`)": {
            "scipy": ("mixed-integer programme, HiGHS", "two-part tariff")
        },
        "… where types are seen (`first_best`)": {"cvxpy": ("convex programme", "first best")},
    },
    "pictures": {
        "A chain paints what RePaint paints from the same noise": {
            "diffusers": ("`RePaintScheduler`", "RePaint chain")
        },
        "It calls the network at the same times": {
            "diffusers": ("`RePaintScheduler`", "RePaint timetable")
        },
        "A picture's SSIM, of all of it and of what was painted": {
            "scikit-image": ("`structural_similarity`", "SSIM of a picture")
        },
    },
}
"""By game and claim: how each package computes the same, and the keys of what was compared."""


def certificates(game: str) -> str:
    """The claims on a game, a row for each package that confirms one.

    Raises:
        ValueError: there is no such game, or the keys here are not those of docs/peers.csv.
    """
    if game not in CLAIMS:
        raise ValueError(f"game must be one of {', '.join(CLAIMS)}, got {game!r}")
    found = {(row["package"], row["claim"]): row for row in table("peers")}
    named = {
        (package, key)
        for claims in CLAIMS.values()
        for by in claims.values()
        for package, (_, *keys) in by.items()
        for key in keys
    }
    if different := found.keys() ^ named:
        raise ValueError(f"docs/peers.csv and CLAIMS must hold the same, got {sorted(different)}")
    shown = []
    for sentence, by in CLAIMS[game].items():
        said = sentence
        for package, (way, *keys) in by.items():
            rows = [found[package, key] for key in keys]
            cases = f"{sum(int(row['cases']) for row in rows):,}"
            largest = max((row["largest"] for row in rows), key=float)
            largest = "0" if float(largest) == 0 else largest
            theirs = f"{package} {rows[0]['version']}: {way}"
            shown.append((said, theirs, cases, largest))
            said = ""  # once
    header = ("claim", "foreign check", "cases", "largest difference")
    return markdown(header, shown, words=2)


def cases(package: str, *claim: str) -> str:
    """How many cases of a claim a package was asked for."""
    return only("peers", package=package, claim=" ".join(claim))["cases"]
