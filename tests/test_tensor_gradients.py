"""Rewards of games on tensors carry gradients to prices and purchases."""

import pytest
import torch
from tensordict import TensorDict

from aigc_market import Scenario, best_response
from aigc_market.competition import respond
from aigc_market.distributions import LogUniform
from aigc_market.moves import Drift, Road, Traffic
from aigc_market.torchrl import MarketEnv

N, ROUNDS = 2, 3
MOVED = Scenario("moved", moves=(Drift(), Traffic(0.5, 0.3, 0.3)))


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
        moved = {
            group: TensorDict({"action": action}, action.shape[:2])
            for group, action in of_round.items()
        }
        after = env.step(TensorDict(moved, (N,)))["next"]
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


# Points away from kinks: bounds, and purchases that just meet a capacity.
ONE = [
    ({}, (2, 12), (20, 200)),
    ({"K": 3, "history": 1, "vmu_reward": "utility"}, (2, 12), (20, 200)),
    ({"capacity": 30.0}, (2, 12), (20, 200)),
    ({"capacity": 900.0, "scale_rewards": True}, (2, 12), (20, 200)),
    ({"normalize": True, "capacity": 30.0}, (-0.8, 0.8), (-0.8, 0.8)),
    ({"scenario": "hidden", "normalize": True}, (-0.8, 0.8), (-0.8, 0.8)),
    ({"scenario": MOVED, "satisfaction": LogUniform(80, 400)}, (2, 12), (20, 200)),
]
SEVERAL = [
    ({}, 2),
    ({"M": 3, "K": 3, "outside": 5.0, "history": 1}, 4),
    ({"capacity": [20.0, 900.0], "access_cost": [[0.0, 10.0], [20.0, 0.0]]}, 2),
    ({"scenario": Scenario("m", moves=(Drift(), Road()))}, 2),
]


@pytest.mark.parametrize(("arguments", "prices", "purchases"), ONE)
def test_one_provider(arguments, prices, purchases):
    env = MarketEnv(N, dtype=torch.float64, differentiable=True, **arguments)
    K = env.market.K
    posted = between(*prices, ROUNDS, N, 1, 1, seed=0)
    bought = between(*purchases, ROUNDS, N, K, 1, seed=1)

    def earned(posted, bought):
        rounds = zip(posted.unbind(0), bought.unbind(0), strict=True)
        return total(env, [{"asp": p, "vmu": s} for p, s in rounds], {"price": 5.0})

    assert torch.autograd.gradcheck(
        earned, (posted, bought), eps=1e-4, rtol=1e-5, atol=1e-3, fast_mode=True
    )
    earned(posted, bought).backward()
    assert (posted.grad[:-1] != 0).all()  # the last is never paid, but it is seen
    assert posted.grad.isfinite().all()
    if arguments.get("scenario") is not MOVED:
        assert (bought.grad != 0).all()


@pytest.mark.parametrize(("arguments", "weights"), SEVERAL)
def test_several_providers(arguments, weights):
    env = MarketEnv(N, "competition", dtype=torch.float64, differentiable=True, **arguments)
    M, K = env.market.M, env.market.K
    posted = between(2, 12, ROUNDS, N, M, 1, seed=0)
    shares = between(0.2, 0.9, ROUNDS, N, K, weights, seed=1)
    steps = between(20, 200, ROUNDS, N, K, M, seed=2)

    def earned(posted, shares, steps):
        chosen = torch.cat([shares, steps], -1)
        rounds = zip(posted.unbind(0), chosen.unbind(0), strict=True)
        return total(env, [{"asp": p, "vmu": c} for p, c in rounds], {"price": 5.0})

    points = posted, shares, steps
    assert torch.autograd.gradcheck(earned, points, eps=1e-6, rtol=1e-5, atol=1e-3, fast_mode=True)
    earned(*points).backward()
    assert all((point.grad != 0).any() and point.grad.isfinite().all() for point in points)


def test_providers_whose_vmus_are_scripted():
    """The way leads through the rational answer."""
    env = MarketEnv(
        N, "competition", followers="best_response", dtype=torch.float64, differentiable=True
    )
    posted = between(2, 9, ROUNDS, N, 2, 1, seed=0)

    def earned(posted):
        return total(env, [{"asp": p} for p in posted.unbind(0)], {})

    assert torch.autograd.gradcheck(
        earned, (posted,), eps=1e-6, rtol=1e-5, atol=1e-3, fast_mode=True
    )
    env.reset()
    answer = respond(env.market, posted[0, :, :, 0].detach())
    expected = (posted[0, :, :, 0].detach() - 1.0) * (answer.shares * answer.steps).sum(-1)
    after = env.step(TensorDict({"asp": TensorDict({"action": posted[0]}, (N, 2))}, (N,)))
    torch.testing.assert_close(after["next", "asp", "reward"][..., 0].detach(), expected)


def answered(env, prices):
    """What a price earns its leader a step later, when all VMUs answer rationally."""
    env.reset(options={"price": 5.0, "satisfaction": [[150.0, 250.0], [180.0, 300.0]]})
    market = env.market
    posted = TensorDict({"action": prices[:, None, None]}, (N, 1))
    idle = TensorDict({"action": torch.zeros(N, 2, 1, dtype=torch.float64)}, (N, 2))
    env.step(TensorDict({"asp": posted, "vmu": idle}, (N,)))
    bought = best_response(market, prices)
    answers = TensorDict({"action": bought[..., None]}, (N, 2))
    after = env.step(TensorDict({"asp": posted, "vmu": answers}, (N,)))["next"]
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
    actions = {
        "asp": TensorDict({"action": posted}, (N, 1)),
        "vmu": TensorDict({"action": bought}, (N, 2)),
    }
    after = env.step(TensorDict(actions, (N,)))["next"]
    surplus = after["vmu", "info", "surplus"]
    (grad,) = torch.autograd.grad(surplus.sum(), bought, retain_graph=True)
    (other,) = torch.autograd.grad(after["vmu", "reward"].sum(), bought)
    torch.testing.assert_close(grad, other)
    assert (grad != 0).any()


@pytest.mark.parametrize("game", ["stackelberg", "competition"])
def test_without_asking_there_are_none(game):
    env = MarketEnv(N, game, infos=True)
    now = env.reset()
    actions = env.action_spec.rand()
    for group in env.group_map:
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
