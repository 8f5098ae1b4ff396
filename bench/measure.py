"""Times two ways to do the same work, interleaved, so that a machine that is slow for a while is slow for both."""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from torch_metal import backends

SAMPLE_SECONDS = 2e-4  # shorter calls are repeated within one sample
MAX_REPEATS = 1024
MIN_SAMPLES = 7
MAX_SAMPLES = 101


def add_library_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--library", choices=backends.LIBRARIES, default="automatic", help="for products and convolutions on metal"
    )


def prefer_library(library: str) -> None:
    """Measures with one library of torch_metal.backends for all families."""
    for family in backends.FAMILIES:
        backends.preferred_library(family, library)


@dataclass(frozen=True)
class Timing:
    """Median seconds of one call on either side, and how many samples they are of."""

    metal: float
    cpu: float
    samples: int

    @property
    def ratio(self) -> float:
        return self.metal / self.cpu


def _seconds(
    call: Callable[[], object],
    repeats: int,
    finish: Callable[[], object],
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    start = clock()
    for _ in range(repeats):
        call()
    finish()
    return (clock() - start) / repeats


def _nothing() -> None:
    pass


def _repeats(call: Callable[[], object], finish: Callable[[], object]) -> int:
    for _ in range(2):  # compiles, allocates, faults pages in
        _seconds(call, 1, finish)
    repeats = 1
    while repeats < MAX_REPEATS and repeats * _seconds(call, repeats, finish) < SAMPLE_SECONDS:
        repeats *= 2
    return repeats


def compare(
    metal: Callable[[], object],
    cpu: Callable[[], object],
    budget: float,
    clock: Callable[[], float] = time.perf_counter,
    min_samples: int = MIN_SAMPLES,
) -> Timing:
    """Calls both in turn for about `budget` seconds. What `metal` started counts until it is done.

    `clock` may be time.process_time, CPU time of all threads: on a busy machine it tells more than the time of day. It
    knows nothing of a GPU's work.
    """
    sides = [(metal, torch.metal.synchronize), (cpu, _nothing)]
    repeats = [_repeats(*side) for side in sides]
    samples: list[list[float]] = [[], []]
    end = time.perf_counter() + budget
    while len(samples[0]) < min_samples or (len(samples[0]) < MAX_SAMPLES and time.perf_counter() < end):
        for (call, finish), count, times in zip(sides, repeats, samples, strict=True):
            times.append(_seconds(call, count, finish, clock))
    return Timing(statistics.median(samples[0]), statistics.median(samples[1]), len(samples[0]))


def seconds_a_call(metal: Callable[[], object], cpu: Callable[[], object], calls: int) -> Timing:
    """Calls both `calls` times in a row, in turn; the device works along and may still be at it after the last call."""
    samples: list[list[float]] = [[], []]
    for _ in range(MIN_SAMPLES):
        for call, times in zip((metal, cpu), samples, strict=True):
            times.append(_seconds(call, calls, _nothing))
            torch.metal.synchronize()
    return Timing(statistics.median(samples[0]), statistics.median(samples[1]), MIN_SAMPLES)


def median_seconds(call: Callable[[], object], samples: int) -> float:
    """The median of `samples` calls."""
    return statistics.median(_seconds(call, 1, _nothing) for _ in range(samples))
