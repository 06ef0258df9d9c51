"""What stands beside what in docs/beside.csv: games of other packages, and ours."""

from dataclasses import dataclass

OURS = "aigc-market"
BATCH = 4096


@dataclass(frozen=True)
class Peer:
    """A row of the table.

    Attributes:
        name: by which it is chosen.
        kind: "single" for a game at a time, "batch" for many, "learning" for tabular Q-learning.
        what: is played.
        packages: whose versions are told, its own first.
        side: "module:function", which is imported where the packages are; it takes the number of
            threads and `arguments`, and gives a `measure.Side`: seconds of one step of one game.
        arguments: of that function.
        agents: whose actions a step takes; scripted ones do not count.
        games: side by side.
        two: how two cores are used: by "threads", by two "processes", or "" where it plays on one.
        wall: whether seconds are those of the clock on one core, too.
    """

    name: str
    kind: str
    what: str
    packages: tuple[str, ...]
    side: str
    arguments: tuple[str | int, ...] = ()
    agents: int = 1
    games: int = 1
    two: str = ""
    wall: bool = False

    @property
    def cores(self) -> tuple[int, ...]:
        """On how many it is measured."""
        return (1, 2) if self.two else (1,)


def _single(name, what, packages, side, arguments=(), agents=1, wall=False):
    side = f"beside_single:{side}"
    return Peer(name, "single", what, packages, side, arguments, agents, wall=wall)


def _batch(name, what, packages, side, *arguments, agents=1, games=BATCH, two="threads"):
    return Peer(name, "batch", what, packages, side, (*arguments, games), agents, games, two)


def _learning(name, what, packages, side):
    return Peer(name, "learning", what, packages, f"beside_learning:{side}", agents=2)


THREE = "provider and two VMUs"
PETTINGZOO, GYMNASIUM = ("pettingzoo",), ("gymnasium",)
IN_PETTINGZOO, IN_GYMNASIUM = (OURS, *PETTINGZOO), (OURS, *GYMNASIUM)

ROWS = [
    # One agent after the other.
    _single("aec", f"AEC, {THREE}", IN_PETTINGZOO, "turns", ("stackelberg",)),
    _single("rps", "AEC, rock-paper-scissors", PETTINGZOO, "turns", ("rps",)),
    _single("tictactoe", "AEC, tic-tac-toe", PETTINGZOO, "turns", ("tictactoe",)),
    _single("connect-four", "AEC, connect four", PETTINGZOO, "turns", ("connect_four",)),
    # All agents at once.
    _single("parallel", f"parallel, {THREE}", IN_PETTINGZOO, "rounds", ("stackelberg",), 3),
    _single(
        "spread", "parallel, simple spread", ("mpe2", *PETTINGZOO), "rounds", ("simple_spread",), 3
    ),
    _single(
        "parallel-torchrl",
        f"parallel, {THREE}, in TorchRL's wrapper",
        (*IN_PETTINGZOO, "torchrl"),
        "torchrl_parallel",
        agents=3,
    ),
    # One agent.
    *(
        _single(name.lower(), f"`{name}-v0`", IN_GYMNASIUM, "steps", (f"aigc_market/{name}-v0",))
        for name in ("Pricing", "Menu", "Rival")
    ),
    _single("cartpole", "`CartPole-v1`", GYMNASIUM, "steps", ("CartPole-v1",)),
    *(
        _single(
            f"{name}-benchmark_step",
            f"`{env.rpartition('/')[2]}`, by `benchmark_step`",
            packages,
            "benchmark_step",
            (env,),
            wall=True,
        )
        for name, env, packages in (
            ("pricing", "aigc_market/Pricing-v0", IN_GYMNASIUM),
            ("cartpole", "CartPole-v1", GYMNASIUM),
        )
    ),
    _single(
        "cartpole-torchrl",
        "`CartPole-v1`, in TorchRL's wrapper",
        (*GYMNASIUM, "torchrl"),
        "torchrl_cartpole",
    ),
    # Batches.
    *(
        _batch(
            f"vector-{name.lower()}",
            f"`{name}-v0`, vector",
            (OURS, "numpy"),
            "beside_batch:vector",
            f"aigc_market/{name}-v0",
            two="processes",
        )
        for name in ("Pricing", "Menu", "Rival")
    ),
    *(
        _batch(
            f"tensors-{games}",
            f"{THREE}, tensors",
            (OURS, "torch", "torchrl"),
            "beside_batch:tensors",
            agents=3,
            games=games,
        )
        for games in (BATCH, 65_536)
    ),
    _batch(
        "vector-cartpole",
        "`CartPole-v1`, vector",
        ("gymnasium", "numpy"),
        "beside_batch:vector",
        "CartPole-v1",
        two="processes",
    ),
    *(
        _batch(
            f"envpool-{games}",
            "`CartPole-v1`",
            ("envpool",),
            "beside_batch:envpool_cartpole",
            games=games,
        )
        for games in (256, BATCH)
    ),
    *(
        _batch(f"vmas-{name}", f"`{name}`", ("vmas", "torch"), "beside_batch:vmas", name, agents=3)
        for name in ("simple_spread", "balance")
    ),
    *(
        _batch(f"pgx-{name}", f"`{name}`", ("pgx", "jax"), "beside_jax:pgx_game", name)
        for name in ("tic_tac_toe", "connect_four", "kuhn_poker")
    ),
    *(
        _batch(
            f"jaxmarl-{name}",
            f"`{name}`",
            ("jaxmarl", "jax"),
            "beside_jax:jaxmarl_game",
            name,
            agents=agents,
        )
        for name, agents in (("switch_riddle", 3), ("coin_game", 2), ("MPE_simple_spread_v3", 3))
    ),
    # Tabular Q-learning of two sellers with fifteen prices.
    _learning("q-ours", "`calvano`, states are both prices", (OURS, "numba"), "ours"),
    _learning("q-econgym", "`Bertrand-v0`, states are the other's price", ("econgym",), "econgym"),
    _learning("q-algocomp", "`logit_duopoly`, states are both prices", ("algocomp",), "algocomp"),
]

QUICK = (
    *("aec", "rps", "pricing", "cartpole", "vector-pricing", "vector-cartpole"),
    *("tensors-4096", "pgx-tic_tac_toe", "q-ours", "q-econgym"),
)
"""Rows of `--quick`."""
