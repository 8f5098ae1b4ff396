"""The picture at the end of the demo."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

from .data import Digits  # noqa: E402
from .train import Run  # noqa: E402

SAMPLES = 24


def save(path: Path, pairs: list[tuple[Run, Run]], digits: Digits) -> None:
    """Draws each (metal, cpu) pair's loss curves and metal's predictions on held-back scans into a PNG at `path`."""
    figure = plt.figure(figsize=(12, 4.2 * len(pairs)), layout="constrained")
    for row, (metal, cpu) in zip(figure.subfigures(len(pairs), 1, squeeze=False)[:, 0], pairs):
        curves, scans = row.subfigures(1, 2, width_ratios=(1.1, 1))
        _draw_losses(curves.subplots(), metal, cpu)
        _draw_predictions(scans, metal, digits)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_losses(axes: plt.Axes, metal: Run, cpu: Run) -> None:
    axes.semilogy(cpu.losses, color="tab:orange", linewidth=3, alpha=0.6, label="cpu")
    axes.semilogy(metal.losses, color="tab:blue", linewidth=1, label="metal")
    axes.set(
        title=f"{metal.model}: {metal.accuracy:.1%} of held-back digits right", xlabel="step", ylabel="training loss"
    )
    axes.legend()
    axes.grid(alpha=0.3)


def _draw_predictions(figure: plt.Figure, run: Run, digits: Digits) -> None:
    """Mistakes first, so that they are seen."""
    right = run.predictions == digits.test_labels
    chosen = right.int().argsort(stable=True)[:SAMPLES]
    for axes, i in zip(figure.subplots(4, SAMPLES // 4).flat, chosen.tolist()):
        axes.imshow(digits.test_images[i, 0], cmap="gray_r")
        axes.set_axis_off()
        label = f"{run.predictions[i]}" if right[i] else f"{run.predictions[i]}, is {digits.test_labels[i]}"
        axes.set_title(label, fontsize=9, color="black" if right[i] else "tab:red")
    figure.suptitle(f"{run.model} on {run.device}: what it read ({int((~right).sum())} of {len(right)} wrong)")
