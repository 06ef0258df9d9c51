"""Rewards of games on tensors carry gradients to prices and purchases."""

import pytest
import torch
from tensordict import TensorDict

from aigc_market import Scenario, best_response
from aigc_market.distributions import LogUniform
from aigc_market.moves import Drift, Road, Traffic
from aigc_market.torchrl import MarketEnv

N, ROUNDS = 2, 3
MOVED = Scenario("moved", moves=(Drift(), Traffic(0.5, 0.3, 0.3)))


def step(env, **actions):
    """What is told after actions (N, agents, …) of each group."""
    moved = {group: {"action": action} for group, action in actions.items()}
    return env.step(TensorDict(moved, (N,)))["next"]


def total(env, actions, start):
    """A weighed sum of all that anybody earns and sees in an episode of these actions.

    Args:
        env: of one seed.
        actions: of each round by group, (N, agents, …).
        start: options of the reset.
    """
    env.set_seed(0)
    env.reset(options=start)
    answer, weight = 0.0, 1.0
    for of_round in actions:
        after = step(env, **of_round)
        for group in env.group_map:
            for of_group in (after[group, "reward"], after[group, "observation"]):
                for column in of_group.reshape(N, -1).unbind(1):
                    weight = 1.0 if weight > 3 else weight * 1.37  # so that nothing cancels
                    answer = answer + weight * column.sum()
    return answer


def between(low, high, *shape, seed):
    """Numbers that want a gradient."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        numbers = low + (high - low) * torch.rand(*shape, dtype=torch.float64)
    return numbers.requires_grad_()


# Ranges of prices and purchases away from kinks: bounds, and those that just meet a capacity.
PLAIN, UNITS = ((2, 12), (20, 200)), ((-0.8, 0.8), (-0.8, 0.8))
CASES = [
    ("stackelberg", {}, PLAIN),
    ("stackelberg", {"K": 3, "history": 1, "vmu_reward": "utility"}, PLAIN),
    ("stackelberg", {"capacity": 30.0}, PLAIN),
    ("stackelberg", {"capacity": 900.0, "scale_rewards": True}, PLAIN),
    ("stackelberg", {"normalize": True, "capacity": 30.0}, UNITS),
    ("stackelberg", {"scenario": "hidden", "normalize": True}, UNITS),
    ("stackelberg", {"scenario": MOVED, "satisfaction": LogUniform(80, 400)}, PLAIN),
    ("competition", {}, PLAIN),
    ("competition", {"M": 3, "K": 3, "outside": 5.0, "history": 1}, PLAIN),
    (
        "competition",
        {"capacity": [20.0, 900.0], "access_cost": [[0.0, 10.0], [20.0, 0.0]]},
        PLAIN,
    ),
    ("competition", {"scenario": Scenario("m", moves=(Drift(), Road()))}, PLAIN),
    ("competition", {"followers": "best_response"}, ((2, 9), None)),
]


@pytest.mark.parametrize(("game", "arguments", "ranges"), CASES)
def test_what_is_told_carries_gradients_to_every_action(game, arguments, ranges):
    """Where VMUs are scripted the way leads through their rational answer."""
    env = MarketEnv(N, game, dtype=torch.float64, differentiable=True, **arguments)
    M, K = (len(env.group_map.get(group, ())) for group in ("asp", "vmu"))
    prices, purchases = ranges
    points = [between(*prices, ROUNDS, N, M, 1, seed=0)]
    if K:
        weights = env.full_action_spec["vmu", "action"].shape[-1] - M
        if game == "competition":
            points.append(between(0.2, 0.9, ROUNDS, N, K, weights, seed=1))
        points.append(between(*purchases, ROUNDS, N, K, M, seed=2))

    def told(posted, *chosen):
        actions = [{"asp": price} for price in posted]
        if chosen:
            choices = torch.cat(chosen, -1)
            actions = [{**a, "vmu": c} for a, c in zip(actions, choices, strict=True)]
        return total(env, actions, {"price": 5.0} if chosen else {})

    steps = {"eps": 1e-4} if game == "stackelberg" else {"eps": 1e-6}
    assert torch.autograd.gradcheck(told, points, rtol=1e-5, atol=1e-3, fast_mode=True, **steps)
    told(*points).backward()
    assert all((point.grad != 0).any() and point.grad.isfinite().all() for point in points)
    assert (points[0].grad[:-1] != 0).all()  # the last is never paid, but it is seen
    if game == "stackelberg" and arguments.get("scenario") is not MOVED:
        assert (points[1].grad != 0).all()


def answered(env, prices):
    """What a price earns its leader a step later, when all VMUs answer rationally."""
    env.reset(options={"price": 5.0, "satisfaction": [[150.0, 250.0], [180.0, 300.0]]})
    market = env.market
    posted = prices[:, None, None]
    step(env, asp=posted, vmu=torch.zeros(N, 2, 1, dtype=torch.float64))
    after = step(env, asp=posted, vmu=best_response(market, prices)[..., None])
    return after["asp", "reward"][:, 0, 0], market


def test_the_pathwise_gradient_is_that_of_theorem_2():
    """d/dp U_p(p, S*(p)) = ΣS* + (p − c)·Σ 1/(2αδ), and it vanishes at p*."""
    env = MarketEnv(N, dtype=torch.float64, differentiable=True)
    prices = torch.tensor([4.0, 8.5], dtype=torch.float64, requires_grad=True)
    earned, market = answered(env, prices)
    earned.sum().backward()
    alpha, beta, delta = market.ssim.alpha, market.ssim.beta, market.satisfaction
    steps = (prices.detach()[:, None] / delta - beta) / (2 * alpha)
    slope = 1 / (2 * alpha * delta)
    expected = steps.sum(-1) + (prices.detach() - 1.0) * slope.sum(-1)
    torch.testing.assert_close(prices.grad, expected)
    # Eq. 14 of the paper.
    best = 0.5 * (1.0 + beta * delta.shape[-1] / (1 / delta).sum(-1))
    best.requires_grad_()
    answered(env, best)[0].sum().backward()
    assert (best.grad.abs() < 1e-9).all()


def test_infos_carry_gradients_too():
    env = MarketEnv(N, dtype=torch.float64, differentiable=True, infos=True)
    posted = between(2, 12, N, 1, 1, seed=0)
    bought = between(20, 200, N, 2, 1, seed=1)
    env.reset()
    after = step(env, asp=posted, vmu=bought)
    surplus = after["vmu", "info", "surplus"]
    (grad,) = torch.autograd.grad(surplus.sum(), bought, retain_graph=True)
    (other,) = torch.autograd.grad(after["vmu", "reward"].sum(), bought)
    torch.testing.assert_close(grad, other)
    assert (grad != 0).any()


@pytest.mark.parametrize("units", [{}, {"normalize": True, "scale_rewards": True}], ids=str)
@pytest.mark.parametrize("followers", ["agents", "best_response"])
def test_gradients_of_a_menu_are_what_is_sold(followers, units):
    """∂U/∂T = how many take a contract, ∂U/∂S = −c times as many; a VMU loses what it pays."""
    kept = {"dtype": torch.float64, "differentiable": True, "infos": True}
    env = MarketEnv(N, "menus", K=3, contracts=2, cost=2.0, followers=followers, **kept, **units)
    env.reset()
    point = torch.tensor([[40.0, 300.0, 120.0, 900.0], [10.0, 500.0, 60.0, 500.0]])
    half = torch.ones(4)
    if units:  # half of the most steps, and of δ·(max SSIM − SSIM(0))
        half = torch.tensor([125.0, 200 * 0.075**2 / 8 / 0.000174] * 2)
    menus = (point / half - len(units) / 2)[:, None].double().requires_grad_()
    chosen = {"vmu": torch.tensor([[1, 2, 2], [0, 2, 1]])} if followers == "agents" else {}
    for _ in range(1 + len(chosen)):  # what VMUs choose from was posted a step before
        after = step(env, asp=menus, **chosen)
    taken = after["asp", "info", "taken"][:, 0]
    assert taken.tolist() == ([[1, 2, 2], [0, 2, 1]] if chosen else [[2, 2, 2], [2, 2, 2]])
    (found,) = torch.autograd.grad(after["asp", "info", "utility"].sum(), menus, retain_graph=True)
    sold = torch.stack([(taken == number).sum(1) for number in (1, 2)], 1)
    expected = torch.stack([-2.0 * sold, 1.0 * sold], -1).reshape(N, 4)
    torch.testing.assert_close(found[:, 0], (expected * half).double())
    if chosen:
        surplus = after["vmu", "info", "surplus"].sum()
        (found,) = torch.autograd.grad(surplus, menus)
        slope = 200 * (0.075 - 2 * 0.000174 * point[:, ::2])
        expected = torch.stack([slope * sold, -1.0 * sold], -1).reshape(N, 4)
        torch.testing.assert_close(found[:, 0], (expected * half).double(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("game", ["stackelberg", "competition", "menus"])
def test_without_asking_there_are_none(game):
    env = MarketEnv(N, game, infos=True)
    now = env.reset()
    actions = env.action_spec.rand()
    for group in env.group_map:
        if actions[group, "action"].is_floating_point():
            actions[group, "action"].requires_grad_()
    after = env.step(now.update(actions))["next"]
    assert not any(value.requires_grad for value in after.values(True, True))


@pytest.mark.parametrize("game", ["stackelberg", "competition"])
def test_earlier_rounds_can_be_cut_off(game):
    env = MarketEnv(N, game, differentiable=True)
    env.reset()
    scale = torch.tensor(0.9, requires_grad=True)

    def played():
        actions = env.action_spec.rand()
        for group in env.group_map:
            actions[group, "action"] = scale * actions[group, "action"]
        after = env.step(TensorDict(actions, (N,)))["next"]
        told = [after[group, kind] for group in env.group_map for kind in ("reward", "observation")]
        return sum(part.sum() for part in told)

    played().backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        played().backward()
    env.detach()
    scale.grad = None
    played().backward()
    assert scale.grad.isfinite()
    assert scale.grad != 0
