"""The model of road scenes that the package brings, and its curve."""

import allowed
import numpy as np
import pytest
from pettingzoo.test import api_test

import aigc_market
from aigc_market import rules
from aigc_market.scenarios import SCENARIOS
from aigc_market.ssim import RePaintSSIM
from aigc_market.ssim.repaint import Request, diffusion, pictures, scene

pytestmark = [
    *allowed.different_agents,
    *allowed.physical_units,
    allowed.unknown_option,
]


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    return RePaintSSIM(cache_dir=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def no_run(monkeypatch):
    """The bundled curve is read: measuring it here would take minutes."""

    def refuse(*_, **__):
        raise AssertionError("the shipped curve was not found: calibrate anew and ship it")

    monkeypatch.setattr(RePaintSSIM, "curve", refuse)


def test_it_is_small(live):
    parameters = sum(p.numel() for p in live.painter.diffusion.network.parameters())
    assert 1e6 <= parameters <= 4e6
    sizes = {path: path.stat().st_size for path in diffusion.BUNDLED.rglob("*") if path.is_file()}
    assert sizes
    assert max(sizes.values()) < 5e6, sizes
    assert [path.name for path in (diffusion.BUNDLED / "curves").iterdir()] == [
        f"{live.digest}.npy"
    ]


def live_market(live):
    """Of the preset, with this service."""
    return aigc_market.Market(**{**SCENARIOS["live"].arguments, "ssim": live})


@pytest.mark.usefixtures("no_run")
def test_the_live_preset_has_an_equilibrium_well_inside_the_prices(live):
    market = live_market(live)
    assert market.min_steps == 0
    found = aigc_market.solve(market)
    assert not any(np.any(bound) for bound in found.binding)
    assert found.price == pytest.approx(11.9126, abs=1e-4)
    assert found.steps.tolist() == [86, 86]
    assert found.asp_utility == pytest.approx(1876.97, abs=0.01)
    assert np.all(found.vmu_surplus > 100)  # nobody buys at a loss
    gap = aigc_market.regret(market, found.price, found.steps)
    assert gap.leader == pytest.approx(0, abs=1e-9 * found.asp_utility)


@pytest.mark.usefixtures("no_run")
def test_nobody_buys_above_the_price_that_ends_the_papers_market(live):
    market = live_market(live)
    prices = np.linspace(market.cost, market.max_price, 400)
    utility = rules.leader_utility(market, prices)
    assert np.all(utility[prices > 15] == 0)
    assert np.all(utility[(prices > 2) & (prices < 14.9)] > 0)
    # No other peak comes near, nor is one near enough to be taken for this one.
    assert np.all(utility[np.abs(prices - 11.9) > 1.2] < 0.93 * 1876.97)


@pytest.mark.usefixtures("no_run")
def test_few_steps_are_worth_less_than_none(live):
    """A grey patch is closer to the original than what the first calls predict."""
    gain = live.gain(np.arange(251.0))
    assert np.all(gain[1:34] < 0)
    assert np.all(gain[34:] > 0)
    assert set(live.demand(np.linspace(0, 0.01, 999), 0.0, 250.0)) == {0, 57, 86, 108, 146, 153}


def test_it_repaints_for_real(live):
    picture = scene(3)
    mask = pictures.mask("half", picture, 0)
    results = live.serve([Request(picture.image, mask, steps, 1) for steps in (5, 8)])
    for result in results:
        assert (result.image[~mask] == picture.image[~mask]).all()
        assert result.image[mask].std() > 0.01
        assert 0 < result.ssim < 1


@pytest.mark.usefixtures("no_run")
def test_api(capsys):
    env = aigc_market.env(K=2, scenario="live", min_steps=1, max_steps=6, max_cycles=3)
    api_test(env, num_cycles=4)
    assert "Passed API test" in capsys.readouterr().out
