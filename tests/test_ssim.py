"""SSIM models: the quadratic, the saturating, the table, their fits, and the protocol."""

import copy
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import curve_fit

import aigc_market
from aigc_market import ssim
from aigc_market.ssim import (
    PAPER_SSIM,
    LiveSSIM,
    QuadraticSSIM,
    SaturatingSSIM,
    SSIMModel,
    TabulatedSSIM,
    fit_quadratic,
    fit_saturating,
)

STEPS = [0.0, 20.0, 60.0, 120.0, 160.0, 250.0]
VALUES = [0.1, 1.0, 2.6, 3.2, 4.7, 5.0]  # the point at 120 lies below the envelope
TABLE = TabulatedSSIM(STEPS, VALUES)
QUADRATIC = QuadraticSSIM(-0.000174, 0.075, 0.4)
SATURATING = SaturatingSSIM(3.0975, 41.3, 0.4)
FORMULAS = {
    QuadraticSSIM: lambda steps, alpha, beta, gamma: alpha * steps**2 + beta * steps + gamma,
    SaturatingSSIM: lambda steps, gain, scale, start: start + gain * (1 - np.exp(-steps / scale)),
}

every_model = pytest.mark.parametrize(
    "model", [QUADRATIC, TABLE, SATURATING], ids=["quadratic", "table", "saturating"]
)
formulas = pytest.mark.parametrize(
    "model", [QUADRATIC, SATURATING], ids=["quadratic", "saturating"]
)


# -- formulas ---------------------------------------------------------------------------------


@formulas
def test_a_model_is_its_formula(model):
    steps = np.array([0.0, 10.0, 41.3, 120.0])
    for now in (model, model.map(lambda value: 1.5 * value)):
        expected = FORMULAS[type(model)](steps, *now.parameters)
        np.testing.assert_allclose(now(steps), expected, rtol=1e-14)
        np.testing.assert_allclose(now.gain(steps), expected - now(0.0), atol=1e-14)
    assert now.parameters == tuple(1.5 * value for value in model.parameters)
    assert model.max_steps == np.inf


def test_arguments_are_told_and_stay_what_they_are():
    assert repr(QUADRATIC) == "QuadraticSSIM(alpha=-0.000174, beta=0.075, gamma=0.4)"
    assert repr(SATURATING) == "SaturatingSSIM(gain=3.0975, scale=41.3, start=0.4)"
    assert repr(TABLE) == "TabulatedSSIM(6 points, steps 0 to 250)"
    assert SATURATING.amplitude == 3.0975
    with pytest.raises(AttributeError, match="beta of an SSIM model never changes"):
        PAPER_SSIM.beta = 0.08


@formulas
def test_coefficients_that_do_not_fit_each_other_are_refused(model):
    signs = -1 if model is QUADRATIC else 1
    message = r"(alpha, beta and gamma|gain, scale and start) must have shapes that broadcast .*"
    with pytest.raises(ValueError, match=message + r"\[\(3, 2\), \(3,\), \(\)\]"):
        type(model)(signs * np.ones((3, 2)), np.ones(3))


def test_quadratic_is_the_papers_by_name():
    assert PAPER_SSIM.parameters == (-0.000174, 0.075, 4891.89)
    assert aigc_market.Market(ssim="quadratic").ssim is PAPER_SSIM
    assert aigc_market.Market().ssim is PAPER_SSIM


# -- all models -------------------------------------------------------------------------------


@every_model
def test_models_keep_the_shape_and_library_of_the_steps(model):
    steps = np.linspace(0, 250, 12).reshape(3, 4)
    assert model(steps).shape == (3, 4)
    single = model.gain(torch.asarray(steps, dtype=torch.float32))
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, model.gain(steps), rtol=1e-5, atol=1e-5)
    whole = np.arange(250)
    np.testing.assert_allclose(model.gain(torch.asarray(whole)), model.gain(whole), rtol=1e-4)
    assert isinstance(model(12.5), float)
    assert isinstance(model.demand(0.03, 10.0, 250.0), float)


@every_model
@pytest.mark.parametrize("bounds", [(0.0, 250.0), (30.0, 140.0), (90.0, 90.0)])
def test_demand_is_what_pays_most_and_the_demand_curve_is_the_demand(model, bounds):
    rates = np.linspace(0.0005, 0.0895, 179)
    bought = model.demand(rates, *bounds)
    assert bounds[0] <= bought.min() <= bought.max() <= bounds[1]
    assert np.all(np.diff(bought) <= 0)
    steps = np.union1d(np.linspace(*bounds, 20_001), np.clip(STEPS, *bounds))
    best = np.max(model(steps) - rates[:, None] * steps, axis=1)
    np.testing.assert_allclose(model(bought) - rates * bought, best, rtol=1e-6, atol=1e-9)
    assert np.all(model(bought) - rates * bought >= best - 1e-12)
    curve = model.demand_curve(*bounds)
    assert np.all(np.diff(curve.rates) >= 0)
    piece = np.searchsorted(curve.rates, rates)
    by_curve = curve.slopes[piece] * curve.form.coordinate(rates) + curve.intercepts[piece]
    np.testing.assert_allclose(bought, by_curve, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(curve.form.price(curve.form.coordinate(rates)), rates)


@every_model
def test_models_keep_the_protocol(model):
    assert isinstance(model, SSIMModel)
    assert not isinstance(model, LiveSSIM)
    assert model.linear_demand == (model is QUADRATIC)


@every_model
@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_models_can_be_copied(model, how):
    steps = np.linspace(0, 250, 9)
    np.testing.assert_array_equal(how(model)(steps), model(steps))


def test_what_a_model_lacks_is_named():
    class Curve:
        max_steps = 250.0

    with pytest.raises(TypeError, match=r"Curve, which lacks check_market, .*, linear_demand, map"):
        aigc_market.Market(ssim=Curve())


# -- tables -----------------------------------------------------------------------------------


def test_a_table_is_linear_between_its_points():
    steps = np.linspace(0, 250, 501)
    np.testing.assert_allclose(TABLE(steps), np.interp(steps, STEPS, VALUES), rtol=1e-12)
    np.testing.assert_allclose(TABLE(np.array(STEPS)), VALUES, rtol=1e-12)
    assert TABLE(90.0) == pytest.approx(2.9)
    assert TABLE.gain(0.0) == 0.0
    assert TABLE.max_steps == 250.0


@pytest.mark.parametrize(
    ("bounds", "envelope"),
    [((0.0, 250.0), {0.0, 20.0, 60.0, 160.0, 250.0}), ((30.0, 140.0), {30.0, 60.0, 140.0})],
)
def test_a_table_is_bought_only_at_its_envelope_whose_points_the_bounds_are_too(bounds, envelope):
    assert set(TABLE.demand(np.linspace(1e-4, 0.1, 3001), *bounds)) == envelope


def test_a_falling_tail_is_never_bought_unless_forced():
    table = TabulatedSSIM([0, 100, 200], [0, 5, 4])
    assert table.demand(1e-9, 0.0, 200.0) == 100.0
    assert table.demand(1e-9, 150.0, 200.0) == 150.0


def test_at_a_tie_the_most_steps_are_bought():
    table = TabulatedSSIM([0, 64, 128], [0, 4, 6])  # slopes 1/16 and 1/32, exact in binary
    assert table.demand(1 / 16, 0.0, 128.0) == 64.0
    assert table.demand(1 / 32, 0.0, 128.0) == 128.0
    np.testing.assert_array_equal(
        table.demand(np.array([1 / 16, 1 / 32]) * (1 + 1e-15), 0.0, 128.0), [0.0, 64.0]
    )


@pytest.mark.parametrize("asked", [0.02, torch.tensor(0.02)], ids=["numpy", "torch"])
def test_a_table_forgets_bounds_that_it_was_asked_for_long_ago(asked):
    def size(table):
        return sum(len(part) for part in vars(table).values() if isinstance(part, dict))

    table, bounds = TabulatedSSIM(STEPS, VALUES), [(0.25 * i, 250.0 - 0.5 * i) for i in range(100)]
    bought = [float(table.demand(asked, *pair)) for pair in bounds]
    assert size(table) <= 64
    assert [float(table.demand(asked, *pair)) for pair in bounds] == bought  # once more
    for again in (copy.copy(table), copy.deepcopy(table), pickle.loads(pickle.dumps(table))):
        assert size(again) == 0
        assert [float(again.demand(asked, *pair)) for pair in bounds] == bought
    assert size(table) <= 64


def test_at_zero_completes_a_table_that_begins_later():
    whole = TabulatedSSIM([0, 120, 160], [0.2, 0.6, 0.7])
    later = TabulatedSSIM([120, 160], [0.6, 0.7], at_zero=0.2)
    steps = np.linspace(0, 160, 33)
    np.testing.assert_array_equal(later(steps), whole(steps))
    np.testing.assert_array_equal(later.steps, whole.steps)
    with pytest.raises(ValueError, match="at_zero must be left out: steps holds 0 already"):
        TabulatedSSIM([0, 160], [0.6, 0.7], at_zero=0.2)


def test_a_table_has_no_bounds_for_each_market():
    with pytest.raises(ValueError, match="min_steps must be one number where SSIM is a table"):
        aigc_market.Market(ssim=TABLE, min_steps=np.array([0.0, 10.0]))


def test_models_keep_numbers_of_their_own():
    """Tensors stay what they are in formulas: gradients flow to them."""
    given = [np.array(numbers) for numbers in (STEPS, VALUES, [-1e-4, -2e-4], [0.1, 0.2])]
    tensors = [torch.tensor(numbers) for numbers in (STEPS, VALUES)]
    tables = [TabulatedSSIM(*given[:2]), TabulatedSSIM(*tensors)]
    quadratic, saturating = QuadraticSSIM(*given[2:]), SaturatingSSIM(given[3], given[3])
    for numbers in (*given, *tensors):
        numbers[...] = 7.0
    for table in tables:
        np.testing.assert_allclose(table.steps, STEPS)
        np.testing.assert_allclose(table.values, VALUES, rtol=1e-6)
    np.testing.assert_array_equal(quadratic.parameters[:2], [[-1e-4, -2e-4], [0.1, 0.2]])
    np.testing.assert_array_equal(saturating.parameters[:2], [[0.1, 0.2], [0.1, 0.2]])


def test_a_table_goes_through_csv_unchanged(tmp_path):
    path = tmp_path / "table.csv"
    original = TabulatedSSIM([0, 0.1, 1 / 3, 250], [0.1, 0.2, 2 / 3, 1e-17])
    original.to_csv(path)
    read = TabulatedSSIM.from_csv(path)
    np.testing.assert_array_equal(read.steps, original.steps)
    np.testing.assert_array_equal(read.values, original.values)
    assert path.read_text().splitlines()[0] == "steps,ssim"
    assert list(tmp_path.iterdir()) == [path]  # nothing half-written is left behind


def test_a_csv_may_name_its_columns_otherwise(tmp_path):
    path = tmp_path / "measured.csv"
    path.write_text("calls,std,mean\n120,0.1,0.6\n160,0.1,0.7\n")
    table = TabulatedSSIM.from_csv(path, steps="calls", values="mean", at_zero=0.2)
    np.testing.assert_array_equal(table.steps, [0, 120, 160])
    np.testing.assert_array_equal(table.values, [0.2, 0.6, 0.7])


BAD_TABLES = {
    "": ", line 1: the header must name a column 'steps'",
    "steps,quality\n0,1\n": ", line 1: the header must name a column 'ssim' once",
    "steps,ssim,ssim\n0,.1,.2\n": ", line 1: the header must name a column 'ssim' once",
    "steps,ssim\n0,0,1\n9,0,5\n": ", line 2: must have no more cells than the header, 2, got ['1']",
    "steps,ssim\n0,.1\n10,good\n": ", line 3: ssim must be a finite number, got 'good'",
    "steps,ssim\n0,.1\n10,nan\n": ", line 3: ssim must be a finite number, got 'nan'",
    "steps,ssim\n0,.1\n,.2\n": ", line 3: steps must be a finite number, got ''",
    "steps,ssim\n0,.1\n10\n": ", line 3: ssim must be a finite number, got None",
    "steps,ssim\n0,.1\n20,.2\n10,.3\n": ", line 4: steps must be strictly increasing, got 10",
    "steps,ssim\n": ": the table must have at least one row",
    "steps,ssim\n10,.1\n250,.9\n": ": steps must begin at 0, or at_zero be given; got 10",
    "steps,ssim\n0,.1\n": ": steps must hold a step above 0, got [0.0]",
    "steps,ssim\n0,.1\n9,.5 (gemäß)\n".encode("latin-1"): ": must be text in UTF-8",
}


@pytest.mark.parametrize(("content", "complaint"), BAD_TABLES.items(), ids=range(len(BAD_TABLES)))
def test_whatever_is_wrong_with_a_csv_its_file_and_line_are_named(tmp_path, content, complaint):
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError) as error:  # noqa: PT011 (all of the beginning is compared)
        TabulatedSSIM.from_csv(path)
    assert str(error.value).startswith(f"{path}{complaint}")


# -- fits -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fit", "model", "bounds"),
    [
        (fit_quadratic, QUADRATIC, (120, 160)),
        (fit_saturating, SATURATING, (0, 250)),
        (fit_saturating, SaturatingSSIM(0.385, 3.0, 0.4), (0, 250)),
        (fit_saturating, SaturatingSSIM(0.385, 600.0, 0.4), (0, 250)),
    ],
)
def test_a_fit_and_its_errors_are_those_of_least_squares(fit, model, bounds):
    steps = np.linspace(*bounds, 26)
    exact = fit(steps, model(steps))
    np.testing.assert_allclose(exact.ssim.parameters, model.parameters, rtol=1e-5)
    assert exact.r_squared == pytest.approx(1.0)
    values = model(steps) + np.random.default_rng(3).normal(0, 1e-4, 26)
    found = fit(steps, values)
    formula = FORMULAS[type(model)]
    coefficients, covariance = curve_fit(formula, steps, values, p0=model.parameters)
    np.testing.assert_allclose(found.ssim.parameters, coefficients, rtol=1e-4)
    np.testing.assert_allclose(found.standard_errors, np.sqrt(np.diag(covariance)), rtol=1e-3)
    residuals = values - formula(steps, *coefficients)
    explained = 1 - np.sum(residuals**2) / np.sum((values - values.mean()) ** 2)
    assert found.r_squared == pytest.approx(explained)
    market = aigc_market.Market(ssim=found.ssim, satisfaction=2000)
    assert aigc_market.solve(market).asp_utility > 0


@pytest.mark.parametrize(
    ("values", "refusing"),
    [
        ([0.1, 0.2, 0.4, 0.8, 1.6], [fit_quadratic, fit_saturating]),  # convex
        ([0.9, 0.8, 0.6, 0.3, 0.0], [fit_quadratic, fit_saturating]),  # falling from the start
        ([0.1, 0.2, 0.3, 0.4, 0.5], [fit_quadratic, fit_saturating]),  # a line
        ([0.0, 0.0, 0.0, 0.0, 0.0], [fit_quadratic, fit_saturating]),
        ([0.7, 0.7, 0.7, 0.7, 0.7], [fit_quadratic, fit_saturating]),  # a fit of rounding errors
        ([0.9, 0.5, 0.3, 0.2, 0.15], [fit_saturating]),  # falling ever less
        ([0.1, 0.7, 0.7, 0.7, 0.7], [fit_saturating]),  # all at once: who knows how fast
    ],
)
def test_a_fit_that_would_break_the_rules_or_tells_no_scale_is_refused(values, refusing):
    for fit in refusing:
        with pytest.raises(ValueError, match=r"values must .*TabulatedSSIM takes any curve"):
            fit([0, 1, 2, 3, 4], values)


def test_a_fit_takes_tensors():
    steps, values = [0, 1, 2, 3], [0, 3, 4, 3.2]
    found = fit_quadratic(*(torch.tensor(of, dtype=torch.float64) for of in (steps, values)))
    np.testing.assert_allclose(found.coefficients, fit_quadratic(steps, values).coefficients)


@pytest.mark.parametrize("seed", [36, 38, 56])
def test_a_curve_measured_where_it_has_saturated_tells_no_scale(seed):
    """A fit of its noise would have a first step worth thousands, or errors of NaN, or none."""
    rng = np.random.default_rng(seed)
    steps = np.sort(rng.uniform(50, 250, 8))
    with pytest.raises(ValueError, match="values must rise and saturate"):
        fit_saturating(steps, 0.7 + 0.01 * rng.normal(size=8))


def test_the_bundled_models_curve_saturates_and_is_no_parabola():
    folder = Path(ssim.__file__).parent / "repaint" / "bundled" / "curves"
    (path,) = folder.glob("*.npy")
    values = np.load(path).astype(np.float64).mean(axis=(0, 1))[1:]
    steps = np.arange(1.0, len(values) + 1)

    def error(fit):
        return np.sqrt(np.mean((fit.ssim(steps) - values) ** 2))

    saturating, quadratic = fit_saturating(steps, values), fit_quadratic(steps, values)
    assert error(saturating) < 0.3 * error(quadratic)
    assert saturating.r_squared > 0.99
    assert saturating.ssim.scale == pytest.approx(38.2, abs=0.1)


# -- the live model, by its name --------------------------------------------------------------


@pytest.fixture(params=["torch", "diffusers", "skimage"])
def without(request, monkeypatch):
    """As if a package had never been installed."""
    ssim._default_service.cache_clear()  # another test may have loaded it with the extra
    monkeypatch.setitem(sys.modules, request.param, None)
    for name in list(sys.modules):
        if name.startswith("aigc_market.ssim.repaint"):
            monkeypatch.delitem(sys.modules, name)
        elif name.startswith(f"{request.param}."):
            monkeypatch.setitem(sys.modules, name, None)
    return request.param


def test_repaint_without_its_extra_says_what_to_install(without):
    message = rf"live repainting needs.*pip install 'aigc-market\[repaint\]' \(.*{without}"
    with pytest.raises(ImportError, match=message):
        aigc_market.env(ssim="repaint")
    with pytest.raises(ImportError, match=message):
        aigc_market.parallel_env(scenario="live")
    with pytest.raises(ImportError, match=message):
        _ = ssim.RePaintSSIM


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Repaint'"):
        _ = ssim.Repaint
