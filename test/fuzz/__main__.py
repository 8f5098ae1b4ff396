"""Random kernels against the reference: python -m test.fuzz --seed 0 --count 1000."""

import argparse
import os
import sys
import time

from test.fuzz.run import check_all


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m test.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=500, help="number of kernels")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()

    mismatches, start = [], time.monotonic()
    seeds = range(options.seed, options.seed + options.count)
    for done, mismatch in enumerate(check_all(seeds, options.processes), 1):
        if mismatch:
            mismatches.append(mismatch)
            print(f"\r{mismatch.report()}")
        elapsed = time.monotonic() - start
        print(f"\r{done}/{options.count} kernels, {len(mismatches)} mismatches, {elapsed:.0f} s ", end="", file=sys.stderr)
    print(file=sys.stderr)
    if mismatches:
        print("seeds with mismatches:", *sorted(mismatch.seed for mismatch in mismatches))
    return 1 if mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
