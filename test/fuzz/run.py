"""Compiles random kernels, runs them, and compares with the reference."""

import multiprocessing
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from test.emulated.emulator import EmulationError
from test.fuzz.generator import generate
from test.fuzz.kernel import Kernel, Launch, prelude
from test.mslc.library import DEFAULT_TARGET, CompileError, Library, Target

# Kernels that are translated together: most of a translation's time is the same for one kernel and for many.
BATCH = 20


@dataclass
class Mismatch:
    seed: int
    what: str

    def report(self) -> str:
        kernel = generate(self.seed)
        return f"seed {self.seed}: {self.what}\ngrid {kernel.shape.grid}, threadgroup {kernel.shape.group}\n{kernel.msl()}"


def run(library: Library, name: str, launch: Launch) -> None:
    """Writes the launch's buffers."""
    constants = {i: np.array(value, "i4") for i, value in launch.constants.items()}
    kernel = library.kernel(name, constants)
    kernel(list(launch.buffers.values()), launch.shape.grid, launch.shape.group, launch.threadgroup_bytes)


def check(seeds: Iterable[int], target: Target = DEFAULT_TARGET) -> Iterator[Mismatch | None]:
    """One result for each seed: None if the kernel does what the reference says."""
    seeds = list(seeds)
    for start in range(0, len(seeds), BATCH):
        kernels = [generate(seed) for seed in seeds[start : start + BATCH]]
        try:
            library = Library(prelude() + "".join(kernel.msl() for kernel in kernels), target)
        except CompileError as error:
            # Which of them it is shows when they are alone.
            if len(kernels) == 1:
                yield Mismatch(seeds[start], str(error))
            else:
                for seed in seeds[start : start + BATCH]:
                    yield from check([seed], target)
            continue
        for seed, kernel in zip(seeds[start : start + BATCH], kernels):
            what = check_kernel(library, kernel)
            yield Mismatch(seed, what) if what else None


def check_kernel(library: Library, kernel: Kernel) -> str | None:
    """What is wrong with one kernel of a library."""
    launch = kernel.launch()
    try:
        run(library, kernel.name, launch)
    except (CompileError, EmulationError) as error:
        return str(error)
    return kernel.mismatch(launch.buffers)


def _serve(seeds: list[int], target: Target, results) -> None:
    for result in check(seeds, target):
        results.send(result)
    results.close()


def check_in_process(seeds: list[int], target: Target) -> Iterator[Mismatch | None]:
    """As check(), in processes that may die of a kernel: that is a mismatch too."""
    spawn = multiprocessing.get_context("spawn")
    while seeds:
        results, sender = spawn.Pipe(duplex=False)
        process = spawn.Process(target=_serve, args=(seeds, target, sender))
        process.start()
        sender.close()
        try:
            while seeds:
                yield results.recv()
                seeds = seeds[1:]
        except EOFError:
            process.join()
            yield Mismatch(seeds[0], f"the process ended with {process.exitcode}")
            seeds = seeds[1:]
        process.join()


def check_all(
    seeds: Iterable[int], processes: int, target: Target = DEFAULT_TARGET, stop: Callable[[], bool] = lambda: False
) -> Iterator[Mismatch | None]:
    """One result for each seed, in any order, from several processes. No further seeds are begun once stop() is true."""
    seeds = list(seeds)
    share = max(1, min(5 * BATCH, -(-len(seeds) // processes)))
    shares: queue.SimpleQueue = queue.SimpleQueue()
    for start in range(0, len(seeds), share):
        shares.put(seeds[start : start + share])
    results: queue.SimpleQueue = queue.SimpleQueue()
    end = object()

    def work() -> None:
        while not stop():
            try:
                mine = shares.get_nowait()
            except queue.Empty:
                break
            for result in check_in_process(mine, target):
                results.put(result)
        results.put(end)

    for _ in range(processes):
        threading.Thread(target=work, daemon=True).start()
    running = processes
    while running:
        result = results.get()
        if result is end:
            running -= 1
        else:
            yield result
