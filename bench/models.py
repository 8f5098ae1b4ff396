"""python -m bench.models: models that people train, on metal and on the CPU in turn, in one process."""

import argparse
import copy
import gc
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
from tqdm import tqdm

import torch_metal
from bench import plots
from bench.architectures import WORKLOADS, Workload
from bench.architectures.language import generate
from bench.measure import MIN_SAMPLES, Timing, add_library_argument, compare, prefer_library
from bench.peak_memory import peak_memory

TARGET = {"f32": 1.15, "bf16": 1.0}
PROMPT, GENERATED = 32, 32  # tokens

Work = Callable[[], object]
Measure = Callable[[Work, Work], Timing]


def _works(workload: Workload, model: torch.nn.Module, device: str) -> dict[str, Work]:
    """What is measured of one model on one device, by name. Training goes on from one call to the next."""
    model = model.to(device)
    optimizer = workload.optimizer(model)
    (batch,) = workload.batches(1, workload.batch_size)
    batch = tuple(tensor.to(device) for tensor in batch)

    def train(autocast: bool) -> None:
        workload.step(model.train(), optimizer, batch, autocast)

    def evaluate(autocast: bool) -> None:
        workload.evaluate(model.eval(), batch, autocast)

    works = {}
    for dtype, autocast in (("f32", False), ("bf16", True)):
        works[f"train {dtype}"] = lambda autocast=autocast: train(autocast)
        works[f"evaluate {dtype}"] = lambda autocast=autocast: evaluate(autocast)
    if workload.name == "GPT-2":
        works["generate f32"] = lambda: generate(model.eval(), batch[0][:1, :PROMPT], GENERATED)
    return works


def _routes(work: Work) -> dict[str, int]:
    """How many operator calls of one call took which route. Raises if one fell back."""
    torch_metal.reset_route_counts()
    work()
    torch.metal.synchronize()
    if fallen := torch_metal.fallback_operators():
        raise SystemExit(f"Operators fell back to the CPU: {fallen}")
    return torch_metal.route_counts()


def measure_workload(
    workload: Workload, words: list[str], measure: Measure, memory: bool, progress: tqdm
) -> list[dict]:
    """Times of one model's works, seconds; memory in bytes above that of the interpreter with PyTorch."""
    names = [name for name in work_names(workload) if _chosen(f"{workload.name} {name}", words)]
    if not names:
        return []
    torch.manual_seed(0)
    model = workload.build()
    sides = {device: _works(workload, copy.deepcopy(model), device) for device in ("metal", "cpu")}
    results = []
    for name in names:
        progress.set_postfix_str(f"{workload.name}, {name}")
        metal, cpu = (sides[device][name] for device in ("metal", "cpu"))
        timing = measure(metal, cpu)
        results.append(
            {
                "name": f"{workload.name} {name}",
                "batch": 1 if name.startswith("generate") else workload.batch_size,
                "target": TARGET[name.split()[1]],
                "metal_seconds": timing.metal,
                "cpu_seconds": timing.cpu,
                "ratio": timing.ratio,
                "samples": timing.samples,
                "routes": _routes(metal),
                "growth": [],
            }
        )
        progress.update()
    del sides, model
    gc.collect()
    torch.metal.empty_cache()
    for result, name in zip(results, names, strict=True):
        if memory and name.startswith("train"):
            progress.set_postfix_str(f"{workload.name}, {name}, memory")
            for device in ("metal", "cpu"):
                result[f"{device}_peak_bytes"] = peak_memory(workload.name, device, name.endswith("bf16"))
    return results


def work_names(workload: Workload) -> list[str]:
    names = [f"{kind} {dtype}" for dtype in ("f32", "bf16") for kind in ("train", "evaluate")]
    return names + ["generate f32"] * (workload.name == "GPT-2")


def _chosen(name: str, words: list[str]) -> bool:
    return any(word in name for word in words)


def print_results(results: list[dict]) -> None:
    print(f"{'':26}{'batch':>6}{'metal ms':>10}{'cpu ms':>10}{'ratio':>8}{'metal GB':>10}{'cpu GB':>8}{'msl':>8}{'graph':>7}")
    for r in results:
        times = f"{1e3 * r['metal_seconds']:10.1f}{1e3 * r['cpu_seconds']:10.1f}{r['ratio']:8.2f}"
        memory = f"{'':18}"
        if "cpu_peak_bytes" in r:
            memory = f"{r['metal_peak_bytes'] / 1e9:10.2f}{r['cpu_peak_bytes'] / 1e9:8.2f}"
        routes = f"{r['routes']['msl']:>8}{r['routes']['mps_graph']:>7}"
        print(f"{r['name']:26}{r['batch']:>6}{times}{memory}{routes}")
    ratios = torch.tensor([r["ratio"] for r in results if r["name"].endswith("f32")])
    if len(ratios):
        print(f"geometric mean of the ratios, f32: {ratios.log().mean().exp():.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads, for both sides (default 2)")
    parser.add_argument("--only", default="", help="works whose names contain one of these, separated by commas")
    parser.add_argument("--budget", type=float, default=10.0, help="seconds for each work (default 10)")
    parser.add_argument("--samples", type=int, default=MIN_SAMPLES, help="at least so many of each work")
    parser.add_argument(
        "--cpu-time", action="store_true", help="of all threads, not time of day: for a busy machine, no use on a GPU"
    )
    parser.add_argument("--memory", action="store_true", help="also measure peak memory, in processes of their own")
    add_library_argument(parser)
    parser.add_argument("--json", action="store_true", help="print all figures, memory included, as JSON")
    parser.add_argument("--picture", type=Path, default=Path("out/models.png"), help="where the picture goes")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    prefer_library(args.library)
    words = args.only.split(",")
    clock = time.process_time if args.cpu_time else time.perf_counter

    def measure(metal: Work, cpu: Work) -> Timing:
        return compare(metal, cpu, args.budget, clock, args.samples)

    total = sum(_chosen(f"{work.name} {name}", words) for work in WORKLOADS.values() for name in work_names(work))
    results = []
    with tqdm(total=total, disable=None, dynamic_ncols=True) as progress:
        for workload in WORKLOADS.values():
            results += measure_workload(workload, words, measure, args.memory or args.json, progress)

    device = f"{torch.metal.get_device_name()}, {args.threads} thread(s)"
    title = f"{device}; PyTorch {torch.__version__}, {platform.machine()}"
    if results:
        plots.save(args.picture, results, title)
    if args.json:
        print(json.dumps({"device": title, "results": results}, indent=1))
    else:
        print(title)
        print_results(results)
        if results:
            print(f"picture: {args.picture}")


if __name__ == "__main__":
    main()
