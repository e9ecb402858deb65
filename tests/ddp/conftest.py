"""Runs of 1, 2 and 3 processes, each started once for all tests here: a start takes longer than all that it checks."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
PATIENCE = 240  # seconds; a hang fails
PARTS = ("scored", "trained", "replayed")


class Found(dict):
    """What a process's checks returned, by their names."""

    def __getitem__(self, name):
        result = super().__getitem__(name)
        if isinstance(result, str):
            pytest.fail(result)
        return result


@pytest.fixture(scope="session")
def worker():
    """The names of worker.py."""
    sys.path.insert(0, str(HERE))  # as for a script in this folder
    try:
        return runpy.run_path(str(HERE / "worker.py"))
    finally:
        sys.path.remove(str(HERE))


@pytest.fixture(scope="session")
def alone_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("alone")


@pytest.fixture(scope="session")
def alone(worker, alone_folder):
    """What one process finds, this one."""
    found, scored, trained, replayed = worker["found"], *(worker[name].CHECKS for name in PARTS)
    return Found(found(scored) | found(trained, alone_folder, None) | found(replayed, alone_folder, None))


@pytest.fixture(scope="session")
def gone_on_alone(worker):
    """``gone_on_alone(folder, other)``: what this process finds by going on from the checkpoint there."""
    return lambda folder, other: worker["trained"].CHECKS["gone on"](folder, other)


@pytest.fixture(scope="session")
def run_of(tmp_path_factory, alone, alone_folder):
    """``run_of(world)``: (what each process found, the folder), started once."""
    runs = {}

    def run(world):
        if world not in runs:
            folder = tmp_path_factory.mktemp(f"processes_{world}")
            runs[world] = launched(world, folder, alone_folder), folder
        return runs[world]

    return run


def launched(world, folder, other):
    """Start the processes as torchrun would: with environment variables that tell Lightning to start none."""
    common = os.environ | {"OMP_NUM_THREADS": "1", "WORLD_SIZE": str(world), "NODE_RANK": "0"}
    workers = []
    for rank in range(world):
        command = [sys.executable, "-W", "ignore", HERE / "worker.py", str(rank), str(world), folder, other]
        workers.append(subprocess.Popen(command, env=common | {"LOCAL_RANK": str(rank)}))
    try:
        assert [worker.wait(timeout=PATIENCE) for worker in workers] == [0] * world
    finally:
        for worker in workers:
            worker.kill()
    return [Found(torch.load(folder / f"{rank}.pt")) for rank in range(world)]


@pytest.fixture(params=[pytest.param(2, marks=pytest.mark.slow), 3], ids="{} processes".format, scope="session")
def world(request):
    return request.param


@pytest.fixture
def ranks(run_of, world):
    """What each of 2, and of 3, processes found."""
    return run_of(world)[0]
