"""The picture of a benchmark: ratios against what is wanted, and how they grow."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

COLUMNS = 5


def save(path: Path, results: list[dict], title: str) -> None:
    """Draws results (see bench.mslc.measure_case) into a PNG at `path`: bars on top, a growth curve for each below."""
    grown = [result for result in results if result["growth"]]
    rows = -(-len(grown) // COLUMNS)
    figure = plt.figure(figsize=(16, 5 + 2.6 * rows), layout="constrained")
    heights = (5, 2.6 * rows) if rows else (5,)
    top, *below = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    _draw_ratios(top.subplots(), results)
    for curves in below:
        axes = curves.subplots(rows, COLUMNS, sharex=True, squeeze=False).flat
        for place, result in zip(axes, grown):
            _draw_growth(place, result)
        for place in list(axes)[len(grown) :]:
            place.set_axis_off()
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def save_operators(path: Path, results: list[dict], sizes: dict[str, int], title: str) -> None:
    """Draws results of bench.ops into a PNG at `path`: a row for each operator, a dot for each size."""
    names = list(dict.fromkeys(result["name"] for result in results))
    figure, axes = plt.subplots(figsize=(9, 2 + 0.17 * len(names)), layout="constrained")
    for label, size in sizes.items():
        some = [result for result in results if result["elements"] == size]
        axes.plot([r["ratio"] for r in some], [names.index(r["name"]) for r in some], "o", label=f"{label}: {size:,}")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlabel("time on metal / time on the CPU")
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    axes.set_title(title, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def save_scaling(path: Path, results: list[dict], title: str) -> None:
    """Draws results of bench.scaling into a PNG at `path`: for each operator times (dots) and their fits (lines)."""
    names = list(dict.fromkeys(result["name"] for result in results))
    rows = -(-len(names) // 4)
    figure, axes = plt.subplots(rows, 4, figsize=(16, 4 * rows), layout="constrained", squeeze=False)
    for place in axes.flat[len(names) :]:
        place.set_axis_off()
    for place, name in zip(axes.flat, names):
        some = [result for result in results if result["name"] == name]
        for shade, result in enumerate(some):
            for side, colour in (("metal", "tab:blue"), ("cpu", "tab:orange")):
                _draw_scaling(place, result, side, colour, alpha=1 / (1 + shade))
        place.set_title(name, fontsize=9)
        place.set_xlabel(some[0]["unit"], fontsize=8)
        place.set_ylabel("us", fontsize=8)
        place.grid(alpha=0.3)
        place.legend(fontsize=7)
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_scaling(axes: plt.Axes, result: dict, side: str, colour: str, alpha: float) -> None:
    work = [point["work"] for point in result["points"]]
    fit = result["fits"][side]
    times = [1e6 * point[f"{side}_seconds"] for point in result["points"]]
    label = f"{side}, {result['threads']} thread(s)"
    axes.loglog(work, times, linestyle="", marker=".", color=colour, alpha=alpha, label=label)
    axes.loglog(work, [1e6 * (fit["t0"] + w / fit["rate"]) for w in work], color=colour, alpha=alpha, linewidth=0.8)


def _draw_ratios(axes: plt.Axes, results: list[dict]) -> None:
    names = [result["name"] for result in results]
    ratios = [result["ratio"] for result in results]
    colours = ["tab:green" if r["ratio"] <= r["target"] else "tab:orange" for r in results]
    axes.bar(names, ratios, color=colours)
    for i, result in enumerate(results):
        axes.plot([i - 0.4, i + 0.4], [result["target"]] * 2, color="black", linewidth=2)
        axes.annotate(f"{result['ratio']:.2f}", (i, result["ratio"]), ha="center", va="bottom", fontsize=8)
    axes.set_yscale("log")
    axes.axhline(1, color="grey", linewidth=0.8, linestyle=":")
    axes.set_ylabel("time on metal / time on the CPU\n(black: wanted)")
    axes.tick_params(axis="x", labelrotation=60)
    plt.setp(axes.get_xticklabels(), ha="right", rotation_mode="anchor")


def _draw_growth(axes: plt.Axes, result: dict) -> None:
    sizes = [point["elements"] for point in result["growth"]]
    for side, colour in (("metal", "tab:blue"), ("cpu", "tab:orange")):
        times = [1e6 * point[f"{side}_seconds"] for point in result["growth"]]
        axes.loglog(sizes, times, marker=".", color=colour, label=side)
    axes.set_title(result["name"], fontsize=9)
    axes.set_ylabel("us", fontsize=8)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
