"""Rendering as text that a person can read, and what all modes have in common."""

import numpy as np
import pytest

import aigc_market
from aigc_market.envs.single import PricingEnv


def after_one_round(view, price=9.0, purchases=(70.0, 130.0), **arguments):
    """An environment of any view after a round at this price."""
    env = view(**arguments)
    action = np.array([price], "f4")
    if view is PricingEnv:
        env.reset(seed=0)
        env.step(action)
    elif view is aigc_market.env:
        env.reset(seed=0)
        for each in (price, *purchases):
            env.step(np.array([each], "f4"))
    else:
        env.reset(seed=0, options={"price": action})
        vmus = {f"vmu_{k}": np.array([each], "f4") for k, each in enumerate(purchases)}
        env.step({"asp_0": action, **vmus})
    return env


every_view = pytest.mark.parametrize(
    "view", [aigc_market.env, aigc_market.parallel_env, PricingEnv], ids=["aec", "parallel", "gym"]
)
multi_agent = pytest.mark.parametrize(
    "view", [aigc_market.env, aigc_market.parallel_env], ids=["aec", "parallel"]
)


@every_view
def test_a_round_as_text(view):
    env = after_one_round(view, render_mode="ansi", max_cycles=12)
    text = env.render()
    assert text.startswith("round 1 of 12\n")
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    assert rows["price"] == ["utility"]
    assert rows["equilibrium"] == ["8.000", "1408.05"]
    assert rows["played"][0] == "9.000"
    if view is PricingEnv:
        assert rows["played"][1:] == ["1379.31", "regret", "28.74"]
        assert rows["steps"] == ["sold", "86.2", "86.2"]
    else:
        assert rows["played"][1:] == ["1600.00", "regret", "28.74"]
        assert rows["steps"] == ["sold", "70.0", "130.0"]
    assert "rationed" not in text


@multi_agent
def test_rationing_is_shown(view):
    text = after_one_round(view, render_mode="ansi", capacity=100).render()
    assert "rationed    200.0 asked for" in text
    assert "steps sold  35.0  65.0" in text
    assert "800.00" in text  # paid as delivered


def test_rationing_is_shown_to_the_leader():
    text = after_one_round(PricingEnv, price=2.0, render_mode="ansi", capacity=100).render()
    assert "steps sold  50.0  50.0" in text
    assert "rationed    373.6 asked for" in text


@every_view
def test_before_the_first_round(view):
    env = view(render_mode="ansi")
    env.reset(seed=0)
    text = env.render()
    assert "round 0 of 100: no price yet" in text
    assert "1408.05" in text


@every_view
def test_the_equilibrium_shown_is_that_of_the_episode(view):
    env = view(render_mode="ansi")
    env.reset(seed=0, options={"cost": 3.0})
    assert "1034.48" in env.render()


@multi_agent
def test_many_vmus_are_cut_short(view):
    text = after_one_round(view, purchases=[50.0] * 20, K=20, render_mode="ansi").render()
    assert "steps sold  " + "  ".join(["50.0"] * 8) + "  and 12 more VMUs" in text


@every_view
def test_ansi_prints_nothing(view, capsys):
    after_one_round(view, render_mode="ansi").render()
    assert capsys.readouterr().out == ""


@every_view
def test_without_a_render_mode_nothing_is_shown(view, capsys):
    env = after_one_round(view)
    with pytest.warns(UserWarning, match="without a render_mode"):
        assert env.render() is None
    assert capsys.readouterr().out == ""


@every_view
def test_an_unknown_mode_is_refused(view):
    with pytest.raises(ValueError, match=r"render_mode must be one of .*'rgb_array'.*'video'"):
        view(render_mode="video")


@pytest.mark.parametrize("view", [aigc_market.env, aigc_market.parallel_env])
def test_rendering_needs_a_reset(view):
    with pytest.raises(AssertionError, match="reset\\(\\) needs to be called before render"):
        view(render_mode="ansi").render()
