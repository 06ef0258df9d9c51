"""Games on tensors, each beside a parallel environment that plays the same market."""

import numpy as np
import torch
from tensordict import TensorDict

import aigc_market
from aigc_market import Scenario, competition_v0
from aigc_market.distributions import DemandShare, DrawnQuadratic, LogUniform, Uniform
from aigc_market.moves import Drift, Road, Shift, Traffic
from aigc_market.ssim import QuadraticSSIM, TabulatedSSIM
from aigc_market.torchrl import MarketEnv, games

PARALLEL = {
    "stackelberg": aigc_market.parallel_env,
    "competition": competition_v0.parallel_env,
}
SCENARIOS = [
    *(("stackelberg", name) for name in ["paper", "hidden", "drift", "shift", "crowd", "capacity"]),
    *(("competition", name) for name in ["duopoly", "calvano", "road", "hidden"]),
]
"""All that can be played on tensors."""

LAWS = {
    "satisfaction": LogUniform(80, 400),
    "ssim": DrawnQuadratic(alpha=LogUniform(1.2e-4, 4e-4), beta=Uniform(0.05, 0.12)),
}
SCARCE = {**LAWS, "capacity": DemandShare(Uniform(0.4, 1.0))}
TABLE = TabulatedSSIM([0, 20, 60, 120, 160, 250], [0, 0.9, 2.5, 3.1, 4.6, 14.9])

# Nash and cartel are solved by NumPy, which a step does only where the market moves.
UNJUDGED = {"judged": False}
CASES = [
    *(
        (game, {"scenario": scenario, **(UNJUDGED if scenario == "road" else {})})
        for game, scenario in SCENARIOS
    ),
    ("stackelberg", {"scenario": Scenario("all", "noisy", SCARCE, (Drift(), Shift(), Traffic()))}),
    ("stackelberg", {"scenario": "crowd", "normalize": True, "scale_rewards": True}),
    ("stackelberg", {"continuous_actions": False, "capacity": 90.0, "vmu_reward": "utility"}),
    ("stackelberg", {"ssim": TABLE}),
    (
        "competition",
        {"scenario": Scenario("all", arguments=LAWS, moves=(Road(), Shift()))} | UNJUDGED,
    ),
    ("competition", {"outside": 2.0, "capacity": 90.0, "normalize": True, "scale_rewards": True}),
    ("competition", {"continuous_actions": False, "M": 3}),
    ("competition", {"ssim": TABLE, "followers": "best_response"}),
]
NAMES = [
    " ".join([game, *(getattr(v, "name", str(v)) for v in arguments.values())])
    for game, arguments in CASES
]


class Twins:
    """N games on tensors, and N parallel environments.

    Args:
        game: which.
        num_envs: N.
        dtype: of the tensors.
        monkeypatch: pytest's, where the tensors' markets are those of the parallel environments,
            round by round; None where the options of a reset say it all.
        arguments: of all environments.
    """

    def __init__(self, game, num_envs, dtype=torch.float32, monkeypatch=None, **arguments):
        self.game, self.N = game, num_envs
        self.parallel = [PARALLEL[game](**arguments) for _ in range(num_envs)]
        self.tensors = MarketEnv(num_envs, game, dtype=dtype, infos=True, **arguments)
        self.settings = self.tensors.settings
        self.agents = self.tensors.group_map
        self.injects = monkeypatch is not None
        if monkeypatch is not None:
            monkeypatch.setattr(games, "MarketProcess", lambda *_: _Followed(self))

    def reset(self, options=None, **of_each):
        """What both tell of a new episode.

        Args:
            options: the same in all games.
            of_each: options of each game, (N, …) arrays.
        """
        options = options or {}
        for i, env in enumerate(self.parallel):
            env.reset(seed=i, options=options | {name: v[i] for name, v in of_each.items()})
        self.over = False
        given = {} if self.injects else options | of_each
        if "vmu" in self.agents:
            name = "price" if self.game == "stackelberg" else "prices"
            given[name] = np.array([np.atleast_1d(self._in_force(env)) for env in self.parallel])
        return self._views(self.tensors.reset(options=given)), self._seen()

    def step(self, actions=None):
        """Rewards, observations and infos of a round, of tensors and of the parallel environments.

        Args:
            actions: of each agent, (N, …); drawn from its space by default.
        """
        if actions is None:
            actions = {a: self._sampled(a) for group in self.agents.values() for a in group}
        told = [
            env.step({agent: actions[agent][i] for agent in actions})
            for i, env in enumerate(self.parallel)
        ]
        self.over = not self.parallel[0].agents
        moved = {
            group: {"action": np.stack([actions[agent] for agent in agents], 1)}
            for group, agents in self.agents.items()
        }
        after = self.tensors.step(_tensors(moved, self.N))["next"]
        rewards = {
            group: np.array([[t[1][agent] for agent in agents] for t in told])
            for group, agents in self.agents.items()
        }
        infos = {
            group: _stacked([[t[4][agent] for agent in agents] for t in told])
            for group, agents in self.agents.items()
        }
        expected = {**self._seen(), "rewards": rewards, "infos": infos}
        expected["truncated"] = np.array([[t[3]["asp_0"]] for t in told])
        return self._views(after), expected

    def _views(self, told):
        views = {group: told[group, "observation"].numpy() for group in self.agents}
        views["state"] = told["state"].numpy()
        views["truncated"] = told["truncated"].numpy()
        views["infos"] = {
            group: {name: value.numpy() for name, value in told[group, "info"].items()}
            for group in self.agents
        }
        if "action" not in told and ("asp", "reward") in told.keys(True):
            views["rewards"] = {
                group: told[group, "reward"][..., 0].numpy() for group in self.agents
            }
        if ("vmu", "active") in told.keys(True):
            views["active"] = told["vmu", "active"].numpy()
        return views

    def _seen(self):
        seen = {}
        for group, agents in self.agents.items():
            all_of_it = [env._observations() for env in self.parallel]
            seen[group] = np.array([[views[agent] for agent in agents] for views in all_of_it])
        seen["state"] = np.array([env.state() for env in self.parallel])
        if self.settings.masked:
            seen["active"] = np.array([env.market.active for env in self.parallel])
        return seen

    def _in_force(self, env):
        return env._episode.price if self.game == "stackelberg" else env._episode.prices

    def _sampled(self, agent):
        return np.stack([env.action_space(agent).sample() for env in self.parallel])


class _Followed:
    """Stands in for a `MarketProcess`: its markets are those of the parallel environments.

    When the episode is over these stand still, and this one moves on: nobody may see it.
    """

    def __init__(self, twins):
        self._twins = twins
        self._find()

    def advance(self):
        self._find()
        if self._twins.over:
            market = self.market
            self.market = market.replace(satisfaction=1.5 * market.satisfaction)
            if self._twins.settings.masked:
                self.market = self.market.replace(active=~market.active)
            if hasattr(market, "access_cost"):
                self.market = self.market.replace(access_cost=2.0 * market.access_cost)

    def _find(self):
        twins = self._twins
        self.market = together([env.market for env in twins.parallel], twins)
        self.oracle = twins.settings.oracle_class(self.market)


def together(markets, twins):
    """Markets of NumPy as one of tensors."""
    like = torch.zeros((), dtype=twins.tensors.dtype)
    first = twins.settings.market.like(like)

    def joined(values):
        if isinstance(values[0], float) and len(set(values)) == 1:
            return values[0]
        dtype = torch.bool if np.asarray(values[0]).dtype == bool else like.dtype
        return torch.as_tensor(np.array(values), dtype=dtype)

    changed = {
        name: joined([getattr(market, name) for market in markets])
        for name in (*twins.settings.options, "active")
        if getattr(markets[0], name, None) is not None
    }
    if twins.settings.ssim is not None:
        several = isinstance(first.ssim, tuple)
        models = [market.ssim[0] if several else market.ssim for market in markets]
        columns = [joined([getattr(m, name) for m in models]) for name in ("alpha", "beta")]
        model = QuadraticSSIM.unchecked(*columns, models[0].gamma)
        changed["ssim"] = (model,) * len(first.ssim) if several else model
    return first.replace(**changed)


def agree(actual, expected, rtol, atol, where=""):
    """Check that all that is expected is there, and the same."""
    for name, value in expected.items():
        place = f"{where} {name}"
        if isinstance(value, dict):
            agree(actual[name], value, rtol, atol, place)
        else:
            assert np.shape(actual[name]) == np.shape(value), place
            np.testing.assert_allclose(actual[name], value, rtol, atol, err_msg=place)


def same(told, expected):
    """Check that what is told is the same to the last digit."""
    told, expected = told.to_dict(), expected.to_dict()
    torch.testing.assert_close(told, expected, rtol=0, atol=0, equal_nan=True)


def random_actions(env, seed=0):
    """Actions of all agents for one step of games on tensors, of a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return env.action_spec.rand()


def _stacked(infos):
    """Infos of games and agents as arrays (N, agents, …)."""
    return {name: np.array([[i[name] for i in row] for row in infos]) for name in infos[0][0]}


def _tensors(nested, N):
    return TensorDict(
        {
            group: TensorDict(
                {name: torch.as_tensor(value) for name, value in entries.items()},
                (N, entries["action"].shape[1]),
            )
            for group, entries in nested.items()
        },
        (N,),
    )
