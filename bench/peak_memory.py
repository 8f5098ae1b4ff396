"""python -m bench.peak_memory NAME DEVICE DTYPE: the most memory that training a model takes, in bytes.

Resident memory of a process of its own, above what it has before it builds the model. On a device with unified memory,
and on the software device, that counts tensors on either side alike, with all that allocators keep.
"""

import re
import resource
import subprocess
import sys
from pathlib import Path

STEPS = 3


def peak_memory(name: str, device: str, autocast: bool) -> int:
    """Bytes that training the workload `name` takes on `device`, in a fresh process."""
    command = [sys.executable, "-W", "ignore", "-m", "bench.peak_memory", name, device, "bf16" if autocast else "f32"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _peak() -> int:
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts into ru_maxrss what the parent had when it started this process.
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s*(\d+) kB", status)[1])


def main() -> None:
    import torch

    from bench.architectures import WORKLOADS

    name, device, dtype = sys.argv[1:]
    workload = WORKLOADS[name]
    (batch,) = workload.batches(1, workload.batch_size)
    torch.zeros(1, device=device)
    before = _resident()
    torch.manual_seed(0)
    model = workload.build().to(device)
    optimizer = workload.optimizer(model)
    batch = tuple(tensor.to(device) for tensor in batch)
    for _ in range(STEPS):
        workload.step(model, optimizer, batch, dtype == "bf16")
    torch.accelerator.synchronize()
    print(_peak() - before)


if __name__ == "__main__":
    main()
