"""What checks against other packages share: how answers are compared, and what is kept of it.

pytest tests/peers                            # checks
pytest tests/peers --record docs/peers.csv    # and writes the differences that the docs show
"""

import csv
import importlib.metadata
import io
from pathlib import Path

import numpy as np
import pytest

from baselines.runs.files import write_atomically

COLUMNS = ("claim", "package", "version", "cases", "largest", "tolerance", "test")


def pytest_addoption(parser):
    parser.addoption("--record", metavar="CSV", help="write the largest difference of each claim")


def pytest_collection_modifyitems(items):
    """All tests of this folder need packages that others do not."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.peers)


@pytest.fixture
def compared(request, record_property):
    """Hold our answer against another package's, and keep the largest difference for the docs."""

    def compare(claim, package, ours, theirs, tolerance):
        """Assert that two answers agree.

        Args:
            claim: which of the claims in docs/certificate_tables.py it confirms.
            package: by its name on PyPI, whose answer it is.
            ours, theirs: numbers of one shape.
            tolerance: the largest difference that is allowed, against the largest of their numbers,
                or 1 where all are smaller.
        """
        ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
        assert ours.shape == theirs.shape, claim
        assert ours.size, f"{claim}: nothing to compare"
        difference = np.abs(ours - theirs).max() / max(1.0, np.abs(theirs).max())
        test = request.node.nodeid.partition("[")[0]
        kept = claim, package, float(difference), float(tolerance), test  # plain, for xdist
        record_property("compared", kept)
        assert difference <= tolerance, f"{claim}: {ours} here, {theirs} by {package}"

    return compare


class Recorder:
    """Gathers what tests compared, also of xdist's workers, and writes it at the end."""

    def __init__(self, file):
        self.file, self.found = file, []

    def pytest_runtest_logreport(self, report):
        if report.when == "call":
            self.found += [value for key, value in report.user_properties if key == "compared"]

    def pytest_sessionfinish(self, exitstatus):
        if exitstatus:
            return  # what failed is no evidence
        lines = {}
        for claim, package, difference, tolerance, test in self.found:
            lines.setdefault((claim, package), []).append((difference, tolerance, test))
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        for (claim, package), kept in sorted(lines.items()):
            differences, tolerances, tests = zip(*kept, strict=True)
            version = importlib.metadata.version(package)
            largest = f"{max(differences):.1e}"
            tests = " ".join(sorted(set(tests)))
            table.writerow(
                (claim, package, version, len(kept), largest, f"{max(tolerances):.0e}", tests)
            )
        write_atomically(Path(self.file), text.getvalue())


def pytest_configure(config):
    file = config.getoption("record", None)
    if file and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(file))
