"""Trainings in processes of their own, some at a time; one that fails does not stop the others."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from tqdm import tqdm

from mixgan_lightning.options import check_count
from mixgan_lightning.reproduce.runs import Outcome, Run

SPOKEN = "mixgan-train: "  # before the one line in which a run says why it failed
GRACE = 10  # seconds that a process has to end when it is told to


class Runner:
    """Trains what has not been trained yet.

    Args:
        jobs: runs at a time. With more than one, their seconds are those of a busy machine.
        threads: of torch on the CPU, for each run.
        fresh: train finished runs again.

    Raises:
        ConfigurationError: unless both numbers are whole and at least 1.
    """

    def __init__(self, jobs: int = 1, threads: int = 1, fresh: bool = False) -> None:
        self.jobs, self.fresh = check_count("jobs", jobs), fresh
        self.environment = os.environ | {"OMP_NUM_THREADS": str(check_count("threads", threads))}
        self._lock = Lock()
        self._stopping = False
        self._processes: dict[Run, subprocess.Popen[bytes]] = {}

    def run(self, runs: Sequence[Run]) -> list[Outcome]:
        """What came of each, in the order given; a bar tells what runs and how many are left.

        Raises:
            HydraException: for a folder with an earlier run of an experiment or option that does not exist any more.
            KeyboardInterrupt: for Ctrl-C or SIGTERM, after all processes have ended.
        """
        finished = {run for run in runs if run.is_finished()} if not self.fresh else set()
        left = [run for run in runs if run not in finished]
        if finished:
            print(f"{len(finished)} of {len(runs)} runs are finished and kept (fresh=true runs them again)", flush=True)
        found = {run: Outcome(run) for run in finished} | (self._train_all(left) if left else {})
        return [found[run] for run in runs]

    def _train_all(self, runs: Sequence[Run]) -> dict[Run, Outcome]:
        found: dict[Run, Outcome] = {}
        with (
            _terminable(),
            ThreadPoolExecutor(self.jobs) as pool,
            tqdm(total=len(runs), unit="run", disable=None) as bar,
        ):
            futures = [pool.submit(self._train, run, bar) for run in runs]
            try:
                for future in as_completed(futures):
                    outcome, seconds = future.result()
                    bar.write(f"{outcome.run}: {_said(outcome, seconds, found.values())}")
                    found[outcome.run] = outcome
                    bar.update()
            except BaseException:
                self._stop(futures)
                raise
        return found

    def _train(self, run: Run, bar: Any) -> tuple[Outcome, float]:
        run.folder.mkdir(parents=True, exist_ok=True)
        run.results_path.unlink(missing_ok=True)  # of a run with other options
        log, start = run.folder / "output.log", time.perf_counter()
        with log.open("wb") as file:
            with self._lock:
                if self._stopping:
                    return Outcome(run, "interrupted"), 0.0
                process = self._processes[run] = subprocess.Popen(
                    run.command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=self.environment
                )
                bar.set_description_str(" | ".join(map(str, self._processes)))
            code = process.wait()
        with self._lock:
            del self._processes[run]
        failed = code != 0 or not run.results_path.exists()
        return Outcome(run, _last_words(log, code) if failed else None), time.perf_counter() - start

    def _stop(self, futures: Sequence[Future[Any]]) -> None:
        """End what runs, and start nothing more."""
        for future in futures:
            future.cancel()
        with self._lock:
            self._stopping = True
            running = list(self._processes.values())
        for process in running:
            process.terminate()
        deadline = time.monotonic() + GRACE
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()


def _said(outcome: Outcome, seconds: float, before: Iterable[Outcome]) -> str:
    if outcome.failure is None:
        return f"{seconds:.0f} s"
    again = any(other.failure == outcome.failure for other in before)
    return "not run: the same" if again else f"not run: {outcome.failure}"


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM, of `kill` and of schedulers, is an interrupt: the processes must not outlive this one."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _last_words(log: Path, code: int) -> str:
    """Why a run failed, in its own words."""
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    if code == 0:
        return f"it left no results.json; {log} tells more"
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    spoken = [line.removeprefix(SPOKEN) for line in lines if line.startswith(SPOKEN)]
    return [f"exit status {code}", *lines, *spoken][-1]
