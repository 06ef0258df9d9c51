"""SSIM models: the quadratic, the table, the fit, and the protocol."""

import copy
import pickle
import sys

import numpy as np
import pytest
import torch

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
SATURATING = SaturatingSSIM(3.0975, 41.3, 0.4)

every_model = pytest.mark.parametrize(
    "model", [PAPER_SSIM, TABLE, SATURATING], ids=["quadratic", "table", "saturating"]
)


def test_quadratic_is_eq_2():
    steps = np.array([0.0, 10.0, 120.0])
    expected = -0.000174 * steps**2 + 0.075 * steps + 4891.89
    np.testing.assert_allclose(PAPER_SSIM(steps), expected)
    np.testing.assert_allclose(PAPER_SSIM.gain(steps), expected - 4891.89, atol=1e-9)
    assert PAPER_SSIM(10.0) == pytest.approx(expected[1])


def test_formulas_answer_for_any_steps():
    assert PAPER_SSIM.max_steps == SATURATING.max_steps == np.inf


@every_model
def test_models_keep_the_shape_and_library_of_the_steps(model):
    steps = np.linspace(0, 250, 12).reshape(3, 4)
    assert model(steps).shape == (3, 4)
    single = model.gain(torch.asarray(steps, dtype=torch.float32))
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, model.gain(steps), rtol=1e-5, atol=1e-5)
    assert isinstance(model(12.5), float)
    assert isinstance(model.demand(0.03, 10.0, 250.0), float)


@every_model
@pytest.mark.parametrize("bounds", [(0.0, 250.0), (30.0, 140.0), (90.0, 90.0)])
def test_the_demand_curve_is_the_demand(model, bounds):
    curve = model.demand_curve(*bounds)
    assert np.all(np.diff(curve.rates) >= 0)
    rates = np.linspace(0.0005, 0.0895, 179)
    piece = np.searchsorted(curve.rates, rates)
    by_curve = curve.slopes[piece] * curve.form.coordinate(rates) + curve.intercepts[piece]
    np.testing.assert_allclose(model.demand(rates, *bounds), by_curve, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(curve.form.price(curve.form.coordinate(rates)), rates)
    assert np.all(np.diff(by_curve) <= 1e-9)


@every_model
@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_models_can_be_copied(model, how):
    steps = np.linspace(0, 250, 9)
    np.testing.assert_array_equal(how(model)(steps), model(steps))


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


@every_model
def test_models_keep_the_protocol(model):
    assert isinstance(model, SSIMModel)
    assert not isinstance(model, LiveSSIM)


def test_demand_is_a_line_where_a_model_says_so():
    assert PAPER_SSIM.linear_demand
    assert not TABLE.linear_demand
    assert not SATURATING.linear_demand


def test_what_a_model_lacks_is_named():
    class Curve:
        max_steps = 250.0

    with pytest.raises(TypeError, match=r"Curve, which lacks check_market, .*, linear_demand, map"):
        aigc_market.Market(ssim=Curve())


def test_the_repr_of_a_table_is_short():
    assert repr(TABLE) == "TabulatedSSIM(6 points, steps 0 to 250)"


def test_a_table_is_linear_between_its_points():
    steps = np.linspace(0, 250, 501)
    np.testing.assert_allclose(TABLE(steps), np.interp(steps, STEPS, VALUES), rtol=1e-12)
    np.testing.assert_allclose(TABLE(np.array(STEPS)), VALUES, rtol=1e-12)
    assert TABLE(90.0) == pytest.approx(2.9)
    assert TABLE.gain(0.0) == 0.0
    assert TABLE.max_steps == 250.0


def test_a_table_is_bought_only_at_its_envelope():
    bought = TABLE.demand(np.linspace(1e-4, 0.1, 3001), 0.0, 250.0)
    assert set(bought) == {0.0, 20.0, 60.0, 160.0, 250.0}


def test_bounds_between_points_are_points_of_the_envelope():
    bought = TABLE.demand(np.linspace(1e-4, 0.1, 3001), 30.0, 140.0)
    assert set(bought) == {30.0, 60.0, 140.0}


def test_at_a_tie_the_most_steps_are_bought():
    table = TabulatedSSIM([0, 64, 128], [0, 4, 6])  # slopes 1/16 and 1/32, exact in binary
    assert table.demand(1 / 16, 0.0, 128.0) == 64.0
    assert table.demand(1 / 32, 0.0, 128.0) == 128.0
    np.testing.assert_array_equal(
        table.demand(np.array([1 / 16, 1 / 32]) * (1 + 1e-15), 0.0, 128.0), [0.0, 64.0]
    )


def test_a_falling_tail_is_never_bought_unless_forced():
    table = TabulatedSSIM([0, 100, 200], [0, 5, 4])
    assert table.demand(1e-9, 0.0, 200.0) == 100.0
    assert table.demand(1e-9, 150.0, 200.0) == 150.0


def test_at_zero_completes_a_table_that_begins_later():
    whole = TabulatedSSIM([0, 120, 160], [0.2, 0.6, 0.7])
    later = TabulatedSSIM([120, 160], [0.6, 0.7], at_zero=0.2)
    steps = np.linspace(0, 160, 33)
    np.testing.assert_array_equal(later(steps), whole(steps))
    np.testing.assert_array_equal(later.steps, whole.steps)


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


def test_a_table_of_nothing_but_zero_is_refused():
    with pytest.raises(ValueError, match=r"steps must hold a step above 0, got \[0.0\]"):
        TabulatedSSIM([0], [0.2])


def test_a_table_that_begins_later_needs_at_zero():
    with pytest.raises(ValueError, match="steps must begin at 0, or at_zero be given; got 120"):
        TabulatedSSIM([120, 160], [0.6, 0.7])
    with pytest.raises(ValueError, match="at_zero must be left out: steps holds 0 already"):
        TabulatedSSIM([0, 160], [0.6, 0.7], at_zero=0.2)


def test_a_table_goes_through_csv_unchanged(tmp_path):
    path = tmp_path / "table.csv"
    original = TabulatedSSIM([0, 0.1, 1 / 3, 250], [0.1, 0.2, 2 / 3, 1e-17])
    original.to_csv(path)
    read = TabulatedSSIM.from_csv(path)
    np.testing.assert_array_equal(read.steps, original.steps)
    np.testing.assert_array_equal(read.values, original.values)
    assert path.read_text().splitlines()[0] == "steps,ssim"
    assert list(tmp_path.iterdir()) == [path]  # nothing half-written is left behind


def test_writing_a_csv_leaves_what_another_writer_has_begun(tmp_path):
    half = tmp_path / "table.csv.tmp"
    half.write_text("steps,ss")
    TABLE.to_csv(tmp_path / "table.csv")
    assert half.read_text() == "steps,ss"


def test_a_csv_may_name_its_columns_otherwise(tmp_path):
    path = tmp_path / "measured.csv"
    path.write_text("calls,std,mean\n120,0.1,0.6\n160,0.1,0.7\n")
    table = TabulatedSSIM.from_csv(path, steps="calls", values="mean", at_zero=0.2)
    np.testing.assert_array_equal(table.steps, [0, 120, 160])
    np.testing.assert_array_equal(table.values, [0.2, 0.6, 0.7])


BAD_TABLES = {
    "": ", line 1: the header must name a column 'steps'",
    "steps,quality\n0,1\n": ", line 1: the header must name a column 'ssim'",
    "steps,ssim\n0,.1\n10,good\n": ", line 3: ssim must be a finite number, got 'good'",
    "steps,ssim\n0,.1\n10,nan\n": ", line 3: ssim must be a finite number, got 'nan'",
    "steps,ssim\n0,.1\n,.2\n": ", line 3: steps must be a finite number, got ''",
    "steps,ssim\n0,.1\n10\n": ", line 3: ssim must be a finite number, got None",
    "steps,ssim\n0,.1\n20,.2\n10,.3\n": ", line 4: steps must be strictly increasing, got 10",
    "steps,ssim\n": ": the table must have at least one row",
    "steps,ssim\n10,.1\n250,.9\n": ": steps must begin at 0, or at_zero be given; got 10",
    "steps,ssim\n0,.1\n": ": steps must hold a step above 0, got [0.0]",
    f"steps,ssim\n0,.1\n9,{'0' * 140_000}.5\n": ", line 3: must be a row of a CSV table",
    "steps,ssim\n0,.1\n9,.5 (gemäß)\n".encode("latin-1"): ": must be text in UTF-8",
    "steps,ssim\n0,.1\n9,.5\n".encode("utf-16"): ": must be text in UTF-8",
}


@pytest.mark.parametrize(("content", "complaint"), BAD_TABLES.items(), ids=range(len(BAD_TABLES)))
def test_whatever_is_wrong_with_a_csv_its_file_and_line_are_named(tmp_path, content, complaint):
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError) as error:  # noqa: PT011 (all of the beginning is compared)
        TabulatedSSIM.from_csv(path)
    assert str(error.value).startswith(f"{path}{complaint}")


def test_a_csv_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("steps,ssim\n0,.1\n250,.9\n", encoding="utf-8-sig")
    assert TabulatedSSIM.from_csv(path).max_steps == 250


def test_a_market_beyond_the_table_is_refused():
    with pytest.raises(ValueError, match="max_steps must be at most 160"):
        aigc_market.Market(ssim=TabulatedSSIM([0, 160], [0, 1]), max_steps=250)


def test_a_table_has_no_bounds_for_each_market():
    with pytest.raises(ValueError, match="min_steps must be one number where SSIM is a table"):
        aigc_market.Market(ssim=TABLE, min_steps=np.array([0.0, 10.0]))


def measurements(noise):
    steps = np.linspace(120, 160, 10)
    errors = np.random.default_rng(3).normal(0, noise, 10)
    return steps, -0.000174 * steps**2 + 0.075 * steps - 2.0 + errors


def test_the_fit_finds_an_exact_quadratic():
    fit = fit_quadratic(*measurements(0.0))
    assert fit.ssim.alpha == pytest.approx(-0.000174, rel=1e-6)
    assert fit.ssim.beta == pytest.approx(0.075, rel=1e-6)
    assert fit.ssim.gamma == pytest.approx(-2.0, rel=1e-6)
    assert fit.r_squared == pytest.approx(1.0)


def test_the_fits_errors_are_those_of_least_squares():
    steps, values = measurements(0.002)
    fit = fit_quadratic(steps, values)
    design = np.stack([steps**2, steps, np.ones_like(steps)], axis=1)
    coefficients, residual, _, _ = np.linalg.lstsq(design, values, rcond=None)
    covariance = np.linalg.inv(design.T @ design) * residual / (10 - 3)
    found = [fit.ssim.alpha, fit.ssim.beta, fit.ssim.gamma]
    np.testing.assert_allclose(found, coefficients, rtol=1e-5)
    np.testing.assert_allclose(fit.standard_errors, np.sqrt(np.diag(covariance)), rtol=1e-5)
    explained = 1 - residual[0] / np.sum((values - values.mean()) ** 2)
    assert fit.r_squared == pytest.approx(explained)
    assert 0.9 < fit.r_squared < 1


@pytest.mark.parametrize(
    "values",
    [
        [0.1, 0.2, 0.4, 0.8, 1.6],  # convex
        [0.9, 0.8, 0.6, 0.3, 0.0],  # concave, but falling from the start
        [0.1, 0.2, 0.3, 0.4, 0.5],  # a line
        [0.0, 0.0, 0.0, 0.0, 0.0],
        [0.7, 0.7, 0.7, 0.7, 0.7],  # constant: a fit of rounding errors
    ],
)
def test_a_fit_that_would_break_the_rules_is_refused(values):
    with pytest.raises(ValueError, match=r"values must .*TabulatedSSIM takes any curve"):
        fit_quadratic([0, 1, 2, 3, 4], values)


@pytest.mark.parametrize("fit", [fit_quadratic, fit_saturating])
@pytest.mark.parametrize("steps", [[0, 1, 2], [0, 0, 1, 1]])
def test_a_fit_needs_enough_measurements(fit, steps):
    with pytest.raises(ValueError, match="steps must hold at least 4 measurements"):
        fit(steps, np.arange(len(steps)))


def test_a_fitted_model_can_be_played():
    fit = fit_quadratic(*measurements(0.001))
    assert aigc_market.solve(aigc_market.Market(ssim=fit.ssim)).asp_utility > 0


def test_quadratic_is_the_papers_by_name():
    assert aigc_market.Market(ssim="quadratic").ssim is PAPER_SSIM
    assert aigc_market.Market().ssim is PAPER_SSIM


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


MISSING = r"live repainting needs.*pip install 'aigc-market\[repaint\]' \(.*{package}"


def test_repaint_without_its_extra_says_what_to_install(without):
    message = MISSING.format(package=without)
    with pytest.raises(ImportError, match=message):
        aigc_market.env(ssim="repaint")
    with pytest.raises(ImportError, match=message):
        aigc_market.parallel_env(scenario="live")
    with pytest.raises(ImportError, match=message):
        _ = ssim.RePaintSSIM


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Repaint'"):
        _ = ssim.Repaint


class Measured:
    """A model of one's own: what the protocol asks for, and nothing else."""

    def __init__(self):
        self.table = TabulatedSSIM(STEPS, VALUES)

    max_steps = 250.0
    linear_demand = False

    @property
    def parameters(self):
        return ()

    def __call__(self, steps):
        return self.table(steps)

    def gain(self, steps):
        return self.table.gain(steps)

    def demand(self, rate, min_steps, max_steps):
        return self.table.demand(rate, min_steps, max_steps)

    def demand_curve(self, min_steps, max_steps):
        return self.table.demand_curve(min_steps, max_steps)

    def check_market(self, min_steps, max_steps):
        pass

    def map(self, function):
        return self


def test_a_model_of_ones_own_is_as_good_as_the_packages():
    own, packages = aigc_market.Market(ssim=Measured()), aigc_market.Market(ssim=TABLE)
    assert aigc_market.solve(own).price == aigc_market.solve(packages).price
    env = aigc_market.parallel_env(ssim=Measured())
    env.reset(seed=0)
    _, rewards, *_ = env.step({agent: env.action_space(agent).sample() for agent in env.agents})
    assert np.isfinite(list(rewards.values())).all()


def test_all_that_the_module_promises_is_there():
    assert all(hasattr(ssim, name) for name in ssim.__all__)


def test_coefficients_that_do_not_fit_each_other_are_refused():
    with pytest.raises(ValueError, match="alpha, beta and gamma must have shapes that broadcast"):
        QuadraticSSIM(alpha=-np.ones((3, 2)), beta=np.ones(3))
