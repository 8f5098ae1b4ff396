"""Compiles random kernels, runs them, and compares with the reference."""

import multiprocessing
import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from test.fuzz.generator import PRELUDE, Kernel
from test.mslc.library import CompileError, Library

# Kernels that are translated together: most of a translation's time is the same for one kernel and for many.
BATCH = 20


@dataclass
class Mismatch:
    seed: int
    what: str

    def report(self) -> str:
        kernel = Kernel(self.seed)
        return f"seed {self.seed}: {self.what}\ngrid {kernel.shape.grid}, threadgroup {kernel.shape.group}\n{kernel.msl()}"


def check(seeds: Iterable[int]) -> Iterator[Mismatch | None]:
    """One result for each seed: None if the kernel does what the reference says."""
    seeds = list(seeds)
    for start in range(0, len(seeds), BATCH):
        kernels = [Kernel(seed) for seed in seeds[start : start + BATCH]]
        library = Library(PRELUDE + "".join(kernel.msl() for kernel in kernels))
        for kernel in kernels:
            yield check_kernel(library, kernel)


def check_kernel(library: Library, kernel: Kernel) -> Mismatch | None:
    try:
        compiled = library.kernel(kernel.name)
    except CompileError as error:
        return Mismatch(kernel.seed, str(error))
    buffers, outputs = kernel.buffers()
    compiled(buffers, kernel.shape.grid, kernel.shape.group)
    with np.errstate(all="ignore"):
        expected = kernel.expected()
    for name, array in outputs.items():
        wrong = np.flatnonzero(array != expected[name])
        if len(wrong):
            at = wrong[0]
            return Mismatch(kernel.seed, f"{len(wrong)} of {len(array)} wrong in {name}; [{at}] is {array[at]}, not {expected[name][at]}")
    return None


def _serve(seeds: list[int], results) -> None:
    for result in check(seeds):
        results.send(result)
    results.close()


def check_in_process(seeds: list[int]) -> Iterator[Mismatch | None]:
    """As check(), in processes that may die of a kernel: that is a mismatch too."""
    spawn = multiprocessing.get_context("spawn")
    while seeds:
        results, sender = spawn.Pipe(duplex=False)
        process = spawn.Process(target=_serve, args=(seeds, sender))
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


def check_all(seeds: Iterable[int], processes: int) -> Iterator[Mismatch | None]:
    """One result for each seed, in any order, from several processes."""
    seeds = list(seeds)
    share = max(1, min(5 * BATCH, -(-len(seeds) // processes)))
    shares: queue.SimpleQueue = queue.SimpleQueue()
    for start in range(0, len(seeds), share):
        shares.put(seeds[start : start + share])
    results: queue.SimpleQueue = queue.SimpleQueue()

    def work() -> None:
        while True:
            try:
                mine = shares.get_nowait()
            except queue.Empty:
                return
            for result in check_in_process(mine):
                results.put(result)

    for _ in range(processes):
        threading.Thread(target=work, daemon=True).start()
    for _ in seeds:
        yield results.get()
