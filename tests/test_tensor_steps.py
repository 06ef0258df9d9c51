"""A step of games on tensors waits for no device."""

import contextlib

import pytest
import torch
from tensor_games import CASES, NAMES, random_actions
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from aigc_market.torchrl import MarketEnv

ASKS = {
    getattr(torch.Tensor, name)
    for name in (
        *("item", "tolist", "numpy", "cpu", "cuda", "nonzero", "__array__", "__bool__"),
        *("__float__", "__int__", "__index__", "__contains__"),
    )
}


class NoQuestions(TorchFunctionMode):
    """Refuses what asks a tensor for its numbers, as some of it never reaches the dispatcher."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in ASKS:
            raise AssertionError(f"{func.__name__} waits for the device")
        return func(*args, **(kwargs or {}))


class NoWaiting(TorchDispatchMode):
    """Refuses operations for which the host waits, and copies from one device to another."""

    waits = (
        *("_local_scalar_dense", "nonzero", "is_nonzero", "item", "masked_select", "unique"),
        *("equal", "allclose", "lift_fresh", "_unique2"),
    )

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func._schema.name.removeprefix("aten::")
        masks = name == "index" and any(i is not None and i.dtype == torch.bool for i in args[1])
        if masks or name in self.waits:
            raise AssertionError(f"{func} waits for the device")
        if "_to_copy" in func._schema.name:
            target = kwargs.get("device")
            if target is not None and torch.device(target) != args[0].device:
                raise AssertionError(f"{func} copies to {target}")
        return func(*args, **kwargs)


@pytest.mark.parametrize(("game", "arguments"), CASES, ids=NAMES)
def test_a_step_waits_for_no_device_and_makes_every_tensor_where_the_games_are(game, arguments):
    """What would be made elsewhere, on torch's default device, is made without numbers here."""
    with torch.device("meta"):
        env = MarketEnv(3, game, device="cpu", infos=True, max_cycles=3, **arguments)
        now = env.reset()
        for seed in range(3):
            actions = random_actions(env, seed)
            # Before the second step tables have been brought to the device.
            with contextlib.ExitStack() as watched:
                for watch in (NoQuestions(), NoWaiting()) * (seed > 0):
                    watched.enter_context(watch)
                now = env.step(now.update(actions))["next"]
            for name, value in now.items(True, True):
                assert value.device.type == "cpu", name
    assert torch.isfinite(now["asp", "observation"]).all()


@pytest.mark.parametrize(
    "ask",
    [
        lambda tensor: tensor[0].item(),
        lambda tensor: bool(tensor[0] > 0),
        torch.Tensor.tolist,
        torch.Tensor.cpu,
        torch.Tensor.numpy,
        lambda tensor: float(tensor.sum()),
        lambda tensor: tensor[tensor > 0],
        torch.nonzero,
        lambda tensor: torch.where(tensor > 0),
        lambda tensor: tensor.to("meta"),
        lambda tensor: torch.tensor([1.0, 2.0]),
    ],
)
def test_waiting_would_be_caught(ask):
    tensor = torch.ones(3)
    with NoQuestions(), NoWaiting(), pytest.raises(AssertionError, match=r"waits|copies"):
        ask(tensor)


def test_a_judged_competition_that_moves_is_solved_by_numpy():
    """The exception that the documentation names."""
    env = MarketEnv(2, "competition", scenario="road", infos=True)
    now = env.reset()
    with NoQuestions(), NoWaiting(), pytest.raises(AssertionError, match="waits"):
        env.step(now.update(random_actions(env)))
