"""The one runner: units of work, done once, in parallel, by local processes or on a Ray cluster."""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import joblib
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import aigc_market
from aigc_market import _checks
from baselines.runs.files import check_folder, write_atomically

Engine = Literal["local", "ray"]
PACKAGES = [str(Path(aigc_market.__file__).parent), str(Path(__file__).parents[1])]
"""The folders of `aigc_market` and `baselines`, which Ray's nodes get."""
RETRIES = 3
"""How often a call is made again whose worker or node died."""


class Unit(Protocol):
    """Work whose result is one file; its `str` names it. It can be hashed and pickled."""

    def file(self, out: Path) -> Path:
        """Where the result stands: a readable name, and a digest of all that it depends on."""
        ...

    def execute(self, out: Path) -> None:
        """Do it, and write the file as a whole."""
        ...


AnyUnit = TypeVar("AnyUnit", bound=Unit)


class Runner:
    """Does units of work at the same time. Those that fail hold up nobody.

    What was done before is not done again, so that a killed run goes on where it stopped.

    Args:
        out: folder of the results, and of `errors.txt`.
        workers: units at the same time, each on one core; as many as there are cores by default.
        engine: local processes, or a Ray cluster, whose nodes need not see the folder: they work in
            one of the same name, and what comes out is written here.

    Raises:
        TypeError, ValueError: workers that are no whole number of at least 1.
    """

    def __init__(self, out: Path, workers: int | None = None, engine: Engine = "local") -> None:
        self.out = out.absolute()
        self.engine: Engine = engine
        self.workers = joblib.cpu_count() if workers is None else workers
        _checks.integer("--workers", self.workers, at_least=1)
        self.console = Console()
        self._errors: dict[str, str] = {}

    def __call__(
        self, name: str, work: Sequence[AnyUnit], tell: Callable[[AnyUnit], str] = str
    ) -> list[AnyUnit]:
        """Do all, or as many as can be done, those in front first.

        Args:
            name: of the work, such as "trainings".
            work: of which equal units are done once.
            tell: a line for a unit that is done, printed where there is no moving bar.

        Returns:
            Those that are done, in the order of the work.

        Raises:
            ValueError: there is work, and its folder cannot be written to.
        """
        plan = list(dict.fromkeys(work))
        calls = [(unit, self.out) for unit in plan if not unit.file(self.out).exists()]
        if calls:
            check_folder(self.out)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, TimeElapsedColumn(), console=self.console) as progress:
            task = progress.add_task(name, total=len(plan), completed=len(plan) - len(calls))
            for unit, content, error in in_parallel(_attempt, calls, self.workers, self.engine):
                progress.advance(task)
                if error is not None:
                    said, self._errors[str(unit)] = error
                    text = f"{unit} failed: {' '.join(said.split())}"
                    self.console.print(text, soft_wrap=True, markup=False)
                    continue
                if not unit.file(self.out).exists():  # it was done on another machine
                    write_atomically(unit.file(self.out), content)
                if not self.console.is_terminal:
                    done = f"{progress.tasks[0].completed:.0f} of {len(plan)} {name}"
                    self.console.print(f"{done}: {tell(unit)}", soft_wrap=True)
        return [unit for unit in plan if unit.file(self.out).exists()]

    def show(self, figures: Iterable[Path], page: str) -> None:
        """Print where figures are, and a page of Markdown that stands in the folder."""
        for path in figures:
            self.console.print(f"{path}", soft_wrap=True, highlight=False)
        self.console.print(Markdown((self.out / page).read_text("utf-8")))

    def report(self) -> None:
        """End the command with the errors, if there were any.

        Raises:
            SystemExit: with status 1; what happened is in `errors.txt`.
        """
        path = self.out / "errors.txt"
        path.unlink(missing_ok=True)
        if not self._errors:
            return
        parts = [f"{unit}\n{error}" for unit, error in self._errors.items()]
        write_atomically(path, "\n".join(parts))
        raise SystemExit(
            f"error: {len(parts)} failed, the others are kept: {', '.join(self._errors)}; "
            f"what happened is in {path}"
        )


def _attempt(unit: Unit, out: Path) -> tuple[Unit, bytes, tuple[str, str] | None]:
    """Do a unit. Returns it, what is in its file, and its error with the traceback, if any."""
    torch.set_num_threads(1)  # the networks are small, and runs fill the cores
    try:
        unit.execute(out)
        return unit, unit.file(out).read_bytes(), None
    except Exception as error:  # whatever it is: the others go on
        said = "".join(traceback.format_exception_only(error))
        return unit, b"", (said, traceback.format_exc())


def in_parallel(
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    workers: int,
    engine: Engine = "local",
) -> Iterator[Any]:
    """The function's answers to each tuple of arguments, as they come.

    Args:
        function: of a module, so that other processes find it.
        calls: arguments of each call.
        workers: calls at the same time.
        engine: "local" processes by joblib, or "ray": tasks of one core each, on the cluster that
            this process is connected to, that RAY_ADDRESS names or that runs on this machine, else
            on one started here. A call whose worker or node dies is made again.

    Raises:
        ImportError: engine "ray" without Ray.
        ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError: a call's worker or node
            died `RETRIES` + 1 times.
        SystemExit: with status 1: a local process died.
        Exception: whatever the function raises.
    """
    if not calls:
        return
    if engine == "ray":
        yield from _on_ray(function, calls, workers)
        return
    # One call at a time: joblib would send many together once some were short, such as those whose
    # result was kept, and the other processes would wait for the one that got the long ones.
    workers = min(workers, len(calls))  # joblib would start them all
    options: Any = {"n_jobs": workers, "batch_size": 1, "return_as": "generator_unordered"}
    parallel: Any = joblib.Parallel(**options)
    try:
        yield from parallel(joblib.delayed(function)(*arguments) for arguments in calls)
    except TerminatedWorkerError:
        raise SystemExit(
            "error: a process was killed, maybe because memory ran out (fewer --workers need "
            "less); what is done is kept, and the same command goes on with the rest"
        ) from None


def _on_ray(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], workers: int
) -> Iterator[Any]:
    # Tasks, not joblib's Ray backend: that one is a pool of actors, and an actor's calls are lost
    # with its node, or wait for a place to restart it that the smaller cluster may not have.
    try:
        import ray
    except ImportError:
        raise ImportError(
            "engine 'ray' needs Ray: pip install 'aigc-market[ray]'; 'local' needs nothing"
        ) from None
    started = not ray.is_initialized()
    if started:  # nodes get this code, whatever they have installed
        ray.init(runtime_env={"py_modules": PACKAGES})
    task = ray.remote(function).options(num_cpus=1, max_retries=RETRIES)
    waiting = iter(calls)
    running = [task.remote(*arguments) for arguments in itertools.islice(waiting, workers)]
    try:
        while running:
            (done, *_), running = ray.wait(running)
            running += [task.remote(*arguments) for arguments in itertools.islice(waiting, 1)]
            yield ray.get(done)
    finally:
        for left in running:
            ray.cancel(left, force=True)
        if started:
            ray.shutdown()
