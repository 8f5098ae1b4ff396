"""python -m bench.other_cpus: how long the project's own kernels take to compile for AArch64, against AVX-512."""

import argparse
import os
import statistics
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from tqdm import tqdm

from test.mslc.library import Library, Target

ROOT = Path(__file__).parents[1]
INCLUDE = [ROOT / "kernels" / "include", Path(find_spec("torch").submodule_search_locations[0]) / "include"]
WANTED = 3.0

# One or more of each kind, by the file they are in.
KERNELS = {
    "unary": ["unary_dense<op::exp, float, float>", "unary_strided<op::sin, half, half, 0>"],
    "binary": ["binary_dense<op::add, float, float, float>", "binary_strided<op::pow, float, float, float, 0>"],
    "activation": ["unary_dense<op::gelu, bfloat, bfloat>"],
    "copy": ["copy_dense<float, half>", "copy_strided<int, float>", "move_transposed<uint>"],
    "cumulative": ["scan_rows<cumsum_op<float>>"],
    "reduction": ["reduce_rows<sum_op<float, float>>", "reduce_rows<argmax_op<half, long>>", "reduce_columns<mean_op<half, half>>"],
    "softmax": ["softmax_rows<softmax_op, float, float>", "softmax_backward_rows<log_softmax_op, half, half>"],
    "normalization": ["layer_norm<float, float>", "normalize_backward<half, float>"],
    "optimizer": ["fused_adam<float>"],
    "loss": ["nll_forward<float, long>", "bce_backward<half>"],
    "random": ["dropout<float>"],
    "sort": ["sort_blocks<float, long>", "sort_merge<int, int, long>"],
    "pooling": ["max_pool<float>", "average_pool_backward<half>"],
    "convolution": ["convolve_each<float>", "weight_gradient<float, 32, 32>"],
    "cholesky": ["factor_block<float>"],
    "lu": ["factor_panel<float>"],
    "triangular": ["solve_block<float>"],
    "distance": ["distances<float, norm_two, false>"],
    "search": ["search_sorted<float, long>"],
    "interpolation": ["interpolate<float, float>"],
}  # fmt: skip
TARGETS = {"x86-64-v4": Target.named("x86-64-v4"), "aarch64": Target.named("aarch64")}


def source(family: str, name: str) -> str:
    """A family's file with one kernel of it instantiated."""
    text = (ROOT / "kernels" / f"{family}.metal").read_text()
    return f'{text}\ntemplate [[host_name("k")]] [[kernel]] decltype({name}) {name};\n'


def code_seconds(library: Library) -> float:
    """Seconds from LLVM IR to machine code, with nothing in the cache."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TORCH_METAL_CACHE_DIR"] = folder
        start = time.perf_counter()
        library.code("k")
        return time.perf_counter() - start


def measure(family: str, name: str, samples: int) -> dict[str, float]:
    """Median seconds for each target, interleaved."""
    libraries = {target: Library(source(family, name), how, INCLUDE) for target, how in TARGETS.items()}
    times = {target: [] for target in TARGETS}
    for _ in range(samples):
        for target, library in libraries.items():
            times[target].append(code_seconds(library))
    return {target: statistics.median(values) for target, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=5, help="for each kernel and target")
    parser.add_argument("--only", default="", help="kernels whose family or name contains this")
    args = parser.parse_args()
    kernels = [(family, name) for family, names in KERNELS.items() for name in names if args.only in f"{family} {name}"]
    with tempfile.TemporaryDirectory() as cache:  # of translations, which the targets share
        rows = []
        for family, name in tqdm(kernels, disable=None):
            os.environ["TORCH_METAL_CACHE_DIR"] = cache
            rows.append((f"{family}: {name}", measure(family, name, args.samples)))
    print(f"{'':62}{'x86-64-v4 ms':>13}{'aarch64 ms':>12}{'ratio':>7}")
    ratios = [times["aarch64"] / times["x86-64-v4"] for _, times in rows]
    for (name, times), ratio in zip(rows, ratios):
        mark = "" if ratio <= WANTED else "  too slow"
        print(f"{name:62}{1e3 * times['x86-64-v4']:13.1f}{1e3 * times['aarch64']:12.1f}{ratio:7.2f}{mark}")
    print(f"ratio: median {statistics.median(ratios):.2f}, greatest {max(ratios):.2f}, wanted at most {WANTED}")


if __name__ == "__main__":
    main()
