"""How much of PyTorch's operator database runs on metal, and by which route.

    python test/coverage.py               a summary, and docs/coverage.md with a table by operator family
    python test/coverage.py --json        the figures as JSON on standard output
    python test/coverage.py -k softmax    only OpInfos whose name contains this; writes no document

Each (OpInfo, dtype) pair runs in a worker process, forward and backward, against the CPU; a worker that dies fails its
pair alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from threading import Timer

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
WORKLIST = Path(__file__).parent / "opinfo" / "worklist.txt"
DOCUMENT = ROOT / "docs" / "coverage.md"
NO_GPU_HAS = ("float64", "complex128")
ROUTES = ("msl", "mps_graph", "host", "fallback")


def work() -> None:
    """A worker: indices of pairs on standard input, outcomes as JSON lines on standard output."""
    from test.opinfo.conformance import PAIRS, check_pair

    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        outcome = check_pair(*PAIRS[int(line)])
        print(json.dumps({**asdict(outcome), "worst_route": outcome.worst_route}), file=answers, flush=True)


class Worker:
    """A worker process that is started again if it dies or takes too long."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.process = None

    def check(self, index: int) -> dict | str:
        """The outcome of a pair, or what the process died of."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, __file__, "--worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        late = Timer(self.seconds, self.process.kill)
        late.start()
        try:
            self.process.stdin.write(f"{index}\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        late.cancel()
        if answer:
            return json.loads(answer)
        code = self.process.wait()
        self.process = None
        return f"took longer than {self.seconds:.0f} s" if code == -9 else f"the process died (exit code {code})"

    def close(self) -> None:
        if self.process:
            self.process.stdin.close()
            self.process.wait()


def run_all(
    indices: list[int], names: dict[int, tuple[str, str]], jobs: int, seconds: float, log: Path | None
) -> list[dict]:
    """Outcomes of the pairs, in their order; each is also appended to the log when it comes."""
    from tqdm import tqdm

    idle: SimpleQueue[Worker] = SimpleQueue()
    workers = [Worker(seconds) for _ in range(jobs)]
    for worker in workers:
        idle.put(worker)

    def check(index: int) -> dict:
        worker = idle.get()
        try:
            answer = worker.check(index)
        finally:
            idle.put(worker)
        if isinstance(answer, str):
            op, dtype = names[index]
            answer = {"op": op, "dtype": dtype, "errors": {"forward": answer}, "operators": {}, "worst_route": "none"}
        return answer

    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(check, index): index for index in indices}
        progress = tqdm(as_completed(futures), total=len(futures), unit="pair", disable=None)
        outcomes = {}
        for future in progress:
            outcomes[futures[future]] = outcome = future.result()
            if log:
                with log.open("a") as file:
                    file.write(json.dumps(outcome) + "\n")
    for worker in workers:
        worker.close()
    return [outcomes[index] for index in indices]


def error_of(outcome: dict) -> str:
    return next(filter(None, outcome["errors"].values()), "")


def passed(outcome: dict) -> bool:
    return not error_of(outcome)


def overload_routes(outcomes: list[dict]) -> dict[str, str]:
    """Fallback if an operator ever fell back; else native if it ever ran so (its calls on the host were float64, which
    samples of any dtype may ask for); else host."""
    taken = defaultdict(set)
    for outcome in outcomes:
        if outcome["dtype"] not in NO_GPU_HAS:
            for name, counts in outcome["operators"].items():
                taken[name].update(route for route in ROUTES if counts[route])
    order = ("fallback", "msl", "mps_graph", "host")
    return {name: min(routes, key=order.index) for name, routes in taken.items()}


def is_view(name: str) -> bool:
    """Whether the overload makes a view, or a tensor without memory: it runs no kernel, and no call is counted."""
    packet, _, overload = name.partition(".")
    schema = getattr(getattr(torch.ops.aten, packet), overload or "default")._schema
    aliases = [result.alias_info for result in schema.returns]
    return name == "_efficientzerotensor" or any(alias and not alias.is_write for alias in aliases)


def worklist_routes(outcomes: list[dict]) -> dict[str, str]:
    """The route of every overload of the worklist. Where metal registers the functional form beside the one with
    outputs, PyTorch calls that."""
    routes = overload_routes(outcomes)

    def route(name: str) -> str:
        functional = name.removesuffix(".grad_input").removesuffix(".out").removesuffix("_out")
        return routes.get(name) or routes.get(functional) or ("view" if is_view(name) else "not reached")

    return {name: route(name) for name in WORKLIST.read_text().split()}


def summary(outcomes: list[dict]) -> dict:
    """All figures."""
    from test.opinfo import overloads

    routes = worklist_routes(outcomes)
    held = [o for o in outcomes if o["dtype"] not in NO_GPU_HAS]

    def by_route(some):
        return dict(Counter(o["worst_route"] for o in some if passed(o)))

    return {
        "overloads": len(routes),
        "overloads_by_route": dict(Counter(routes.values())),
        "overloads_not_native": {name: route for name, route in routes.items() if route not in ("msl", "mps_graph")},
        "pairs": len(outcomes),
        "pairs_passed": sum(map(passed, outcomes)),
        "pairs_passed_by_worst_route": by_route(outcomes),
        "pairs_without_float64": len(held),
        "pairs_without_float64_passed": sum(map(passed, held)),
        "pairs_without_float64_passed_by_worst_route": by_route(held),
        **overloads.figures(),
        "failures": {f"{o['op']}[{o['dtype']}]": error_of(o) for o in outcomes if not passed(o)},
    }


def family_of(name: str) -> str:
    """``"nn.functional"``, ``"linalg"``; ``"torch"`` for names without a dot."""
    *modules, _ = name.split(".")
    return ".".join(modules[:2] if modules[:1] == ["nn"] else modules[:1]) or "torch"


def document(outcomes: list[dict]) -> str:
    """docs/coverage.md: figures and a table by operator family."""
    figures = summary(outcomes)
    families = defaultdict(list)
    for outcome in outcomes:
        families[family_of(outcome["op"])].append(outcome)
    lines = [
        "# Coverage", "", "Generated by `python test/coverage.py`; do not edit.", "",
        f"{figures['pairs_passed']} of {figures['pairs']} (operator, dtype) pairs of PyTorch's op_db pass forward and backward "
        f"({figures['pairs_without_float64_passed']} of {figures['pairs_without_float64']} without float64 and complex128).",
        "", "| family | pairs | pass | msl | mps_graph | host | fallback | views |", "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for family, some in sorted(families.items()):
        counts = Counter(o["worst_route"] for o in some if passed(o))
        cells = [len(some), sum(map(passed, some)), *(counts[route] for route in (*ROUTES, "none"))]
        lines.append(f"| {family} | " + " | ".join(map(str, cells)) + " |")
    by_route = ", ".join(f"{route} {count}" for route, count in sorted(figures["overloads_by_route"].items()))
    lines += ["", f"Of the {figures['overloads']} ATen overloads that op_db reaches: {by_route}.", ""]
    registered = figures["cpu_overloads_by_registration"]
    lines += [
        f"Of the {figures['cpu_overloads']} ATen overloads that have a CPU kernel and are not composed of others, "
        f"{registered['kernel']} have a kernel here, {registered['host']} run on the host by design; "
        f"{registered['none']} have neither:", "",
    ]  # fmt: skip
    for reason, names in figures["cpu_overloads_without_kernel"].items():
        lines.append(f"- {reason}: " + ", ".join(f"`{name}`" for name in names))
    lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--outcomes", type=Path, help="append the outcome of every pair to this file, as JSON lines")
    parser.add_argument("-k", default="", metavar="TEXT", help="only OpInfos whose name contains TEXT")
    parser.add_argument("--dtype", help="only this dtype")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="worker processes")
    parser.add_argument("--seconds", type=float, default=300, help="a pair that takes longer fails")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return work()

    from test.opinfo.conformance import PAIRS, dtype_name, name_of

    names = {i: (name_of(op), dtype_name(dtype)) for i, (op, dtype) in enumerate(PAIRS)}
    chosen = [i for i, (op, dtype) in names.items() if arguments.k in op and arguments.dtype in (None, dtype)]
    outcomes = run_all(chosen, names, arguments.jobs, arguments.seconds, arguments.outcomes)
    figures = summary(outcomes)
    if arguments.json:
        print(json.dumps(figures, indent=1))
    else:
        for name, value in figures.items():
            if not isinstance(value, dict) or len(value) < 8:
                print(f"{name}: {value}")
        for name, error in figures["failures"].items():
            print(f"FAILED {name}: {error.splitlines()[0]}")
    if len(chosen) == len(PAIRS):
        DOCUMENT.write_text(document(outcomes))


if __name__ == "__main__":
    main()
