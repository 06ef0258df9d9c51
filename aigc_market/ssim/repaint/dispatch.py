"""Who paints: this process, or actors on a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aigc_market import _checks
from aigc_market.ssim.repaint.device import check_device
from aigc_market.ssim.repaint.painter import Painter

if TYPE_CHECKING:
    from aigc_market.ssim.repaint.fleet import Fleet

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Dispatch:
    """Where painters stand, and how many.

    Fields are the arguments of `RePaintSSIM`.

    Raises:
        TypeError, ValueError: a bad argument, or a device that is not there (with engine "ray" the
            workers look for it themselves).
    """

    engine: str
    device: str
    workers: int
    num_gpus_per_worker: float

    def __post_init__(self) -> None:
        _checks.choice("engine", self.engine, ENGINES)
        workers = _checks.integer("workers", self.workers, at_least=1)
        gpus = _checks.number("num_gpus_per_worker", self.num_gpus_per_worker, at_least=0)
        if self.engine == "ray":
            self._check_workers(gpus)
        elif workers != 1 or gpus != 0:
            raise ValueError(
                "workers must be 1 and num_gpus_per_worker 0 with engine 'local', "
                f"got {workers} and {gpus:g}: engine 'ray' has more"
            )
        else:
            check_device(self.device)

    def start(self, painter: Painter) -> Painter | Fleet:
        """The painter itself, or actors with copies of it.

        Raises:
            ImportError: engine "ray" without Ray.
            ValueError: the cluster has no room for so many.
        """
        if self.engine == "local":
            return painter
        try:
            from aigc_market.ssim.repaint.fleet import Fleet
        except ImportError:
            raise ImportError(
                "engine 'ray' needs Ray: pip install 'aigc-market[ray]'; 'local' needs nothing"
            ) from None
        return Fleet(painter, self.workers, self.num_gpus_per_worker)

    def _check_workers(self, gpus: float) -> None:
        if self.device not in ("cpu", "cuda"):
            raise ValueError(
                "device must be 'cpu' or 'cuda' with engine 'ray', which picks GPUs, "
                f"got {self.device!r}"
            )
        if gpus > 1 and gpus != int(gpus):
            raise ValueError(f"num_gpus_per_worker above 1 must be a whole number, got {gpus:g}")
        if (self.device == "cuda") != (gpus > 0):
            allowed = "above 0 with device 'cuda'" if gpus == 0 else "0 with device 'cpu'"
            raise ValueError(f"num_gpus_per_worker must be {allowed}, got {gpus:g}")
