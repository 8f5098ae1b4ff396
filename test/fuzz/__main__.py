"""Random kernels against the reference: python -m test.fuzz --seed 0 --count 1000 -j 2."""

import argparse
import os
import sys
import time
from pathlib import Path

from tqdm import tqdm

from test.fuzz.minimise import minimise
from test.fuzz.regressions import save
from test.fuzz.run import check_all
from test.mslc.library import Target


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m test.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=500, help="number of kernels")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no more kernels after this time")
    parser.add_argument("-j", "--processes", type=int, default=os.cpu_count())
    parser.add_argument("--cpu", help="what to compile for instead of this CPU: x86-64-v3, aarch64, aarch64:neoverse-n2, ...")
    parser.add_argument("--minimise", type=Path, metavar="FOLDER", help="write what is wrong there, as small as it gets")
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    target, start = Target.named(options.cpu), time.monotonic()
    seeds = range(options.seed, options.seed + options.count)
    mismatches, done = [], 0
    with tqdm(total=options.count, unit=" kernels") as bar:
        for mismatch in check_all(seeds, options.processes, target, lambda: time.monotonic() - start > options.seconds):
            done += 1
            bar.update()
            if mismatch:
                mismatches.append(mismatch)
                bar.write(mismatch.report())
    print(f"{done} kernels from seed {options.seed}: {len(mismatches)} wrong, {time.monotonic() - start:.0f} s")
    if mismatches:
        print("wrong seeds:", *sorted(mismatch.seed for mismatch in mismatches))
    if options.minimise:
        for mismatch in mismatches:
            print("written:", save(minimise(mismatch.seed, target), options.minimise))
    return 1 if mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
