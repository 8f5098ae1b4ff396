"""Kernels that depend on each other run in order, though Metal orders only what barriers, fences and events order."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# What each prints is exact: the same kernels on the same numbers.
PROGRAMS = {
    "chain": """
x = torch.arange(1000.0, device="metal")
for i in range(300):
    x = (x * 1.5 - i).sin()
    x[::2] += x[1::2]
result = x
""",
    "in_place_after_reading": """
x = torch.arange(1000.0, device="metal")
sums = []
for i in range(300):
    sums.append(x.sum())
    x.mul_(0.5).add_(i)
result = torch.stack(sums)
""",
    "copies_and_products": """
x = torch.randn(128, 128, generator=torch.Generator().manual_seed(0)).to("metal")
y = torch.empty_like(x)
for i in range(60):
    y.copy_(x)
    x = torch.tanh(y @ x) + y.t().contiguous()
    x.untyped_storage().resize_(x.untyped_storage().nbytes() + 4096)
result = x
""",
    "training": """
torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 10)
).to("metal")
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, foreach=True)
images = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(1)).to("metal")
losses = []
for _ in range(20):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(images), torch.arange(16, device="metal") % 10)
    loss.backward()
    optimizer.step()
    losses.append(loss.detach())
result = torch.stack(losses)
""",
    "streams": """
x = torch.arange(1000.0, device="metal")
streams = [torch.Stream("metal") for _ in range(3)]
for i in range(60):
    before, after = torch.Event("metal"), torch.Event("metal")
    before.record()
    with streams[i % 3]:
        before.wait()
        x.mul_(0.5)
        x.add_(i)
        after.record()
    after.wait()
    x = x.cos()
result = x
""",
}


def run(program: str, reorder: bool) -> list[float]:
    """What the program computes in a process of its own."""
    source = f"import json, torch\n{program}\nprint(json.dumps(result.cpu().double().flatten().tolist()))"
    environment = {**os.environ, "TORCH_METAL_REORDER": str(int(reorder))}
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", PROGRAMS)
def test_unordered_kernels_may_run_backwards(name):
    assert run(PROGRAMS[name], reorder=True) == run(PROGRAMS[name], reorder=False)
