"""A real Ray cluster of two nodes of one core each, all on this machine."""

import contextlib
import os
import tempfile
import time

import ray
from ray.cluster_utils import Cluster

SMALL = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}


@contextlib.contextmanager
def two_nodes():
    """The cluster and its second node, which may be killed; RAY_ADDRESS names it meanwhile.

    It has a folder of its own, so that no other Ray of this machine joins it or is joined; and its
    nodes are not told where this code is.
    """
    with contextlib.ExitStack() as stack:
        # Names of sockets may not be long, as pytest's own folders are.
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray", dir="/tmp"))
        for name in ("RAY_TMPDIR", "RAY_ADDRESS", "RAY_worker_niceness", "PYTHONPATH"):
            stack.callback(_restore, name, os.environ.pop(name, None))
        os.environ["RAY_TMPDIR"] = folder
        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (Ray's own); 15 would starve them on a busy machine
        cluster = Cluster(initialize_head=True, head_node_args=SMALL)
        stack.callback(cluster.shutdown)
        second = cluster.add_node(**SMALL)
        os.environ["RAY_ADDRESS"] = cluster.address
        stack.callback(ray.shutdown)
        yield cluster, second


def _restore(name, value):
    os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value


def kill(cluster, node):
    """All its processes at once, as when a machine loses its power."""
    cluster.remove_node(node, allow_graceful=False)


def until(condition, seconds=120.0):
    """Wait for it, but not for ever."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
