"""A real Ray cluster of two nodes of one core each, all on this machine."""

import contextlib
import os
import signal
import tempfile
import time

import ray
from ray.cluster_utils import Cluster

SMALL = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
HERE = {  # what Ray reads from the environment; None: is not set, whoever runs the tests
    "RAY_ADDRESS": None,
    "PYTHONPATH": None,  # nodes are not told where this code is
    "RAY_worker_niceness": "0",  # 15 would starve them on a busy machine
    "RAY_memory_monitor_refresh_ms": "0",  # others may have filled the memory
}


@contextlib.contextmanager
def two_nodes():
    """The cluster and its second node, which may be killed; RAY_ADDRESS names it meanwhile."""
    with alone(), contextlib.ExitStack() as stack:
        cluster = Cluster(initialize_head=True, head_node_args=SMALL)
        stack.callback(cluster.shutdown)
        second = cluster.add_node(**SMALL)
        os.environ["RAY_ADDRESS"] = cluster.address
        stack.callback(ray.shutdown)
        yield cluster, second


@contextlib.contextmanager
def alone():
    """No other Ray of this machine is joined, or joins what is started here."""
    before = dict(os.environ)
    # Names of sockets may not be long, as pytest's own folders are.
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder:
        for name, value in {**HERE, "RAY_TMPDIR": folder}.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def kill(cluster, node, worker):
    """The node and its worker's process at once, as when a machine loses its power.

    Ray's own call leaves the worker to find out that its node is gone, and to answer until then.
    """
    cluster.remove_node(node, allow_graceful=False)
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)


def until(condition, seconds=300.0):
    """Wait for it, but not for ever."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
