"""Kernels that once went wrong, each in a file with its inputs and what is right: test_regressions.py replays them."""

import base64
import json
import zlib
from pathlib import Path

import numpy as np

from test.fuzz.kernel import Kernel, Launch, prelude
from test.fuzz.machine import Shape
from test.fuzz.run import run
from test.fuzz.types import Struct, by_name, same
from test.mslc.library import DEFAULT_TARGET, Library, Target

FOLDER = Path(__file__).parent / "regressions"


def _pack(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode()


def _unpack(text: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "u1").copy()


def save(kernel: Kernel, folder: Path = FOLDER, about: str = "") -> Path:
    """Writes what the kernel runs on and what the reference says that it leaves. `about`: what went wrong."""
    launch, expected = kernel.launch(), kernel.expected()
    buffers = []
    for name, array in launch.buffers.items():
        entry = {"name": name, "before": _pack(array.tobytes())}
        if name in kernel.outputs or name in kernel.atomics:
            type = kernel.outputs[name].type if name in kernel.outputs else kernel.atomics[name].type
            fields = type.scalars_and_vectors() if isinstance(type, Struct) else [(0, type)]
            entry |= {"after": _pack(type.to_memory(expected[name]).tobytes()), "stride": type.bytes,
                      "fields": [[offset, t.name] for offset, t in fields]}  # fmt: skip
        buffers.append(entry)
    record = {
        "about": about, "kernel": kernel.name, "grid": kernel.shape.grid, "threadgroup": kernel.shape.group,
        "threadgroup_bytes": launch.threadgroup_bytes, "constants": launch.constants, "buffers": buffers,
        "source": kernel.msl().splitlines(),
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kernel.name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def replay(path: Path, target: Target = DEFAULT_TARGET) -> str | None:
    """What is wrong, if anything."""
    record = json.loads(path.read_text())
    buffers = {b["name"]: _unpack(b["before"]) for b in record["buffers"]}
    constants = {int(i): value for i, value in record["constants"].items()}
    launch = Launch(buffers, Shape(tuple(record["grid"]), tuple(record["threadgroup"])), record["threadgroup_bytes"], constants)
    library = Library(prelude() + "\n".join(record["source"]) + "\n", target)
    run(library, record["kernel"], launch)
    for b in record["buffers"]:
        if "after" in b and (what := _difference(b, buffers[b["name"]])):
            return what
    return None


def _difference(buffer: dict, data: np.ndarray) -> str | None:
    """What lies between the fields of structures is not compared."""
    rows, right_rows = (d.reshape(-1, buffer["stride"]) for d in (data, _unpack(buffer["after"])))
    for offset, name in buffer["fields"]:
        type = by_name(name)
        base, shape = type.memory_dtype.subdtype or (type.memory_dtype, ())
        values, right = (
            type.from_memory(np.ascontiguousarray(r[:, offset : offset + type.bytes]).view(base).reshape(-1, *shape))
            for r in (rows, right_rows)
        )
        wrong = np.flatnonzero(~same(values, right))
        if len(wrong):
            return f"{len(wrong)} wrong in {buffer['name']}; [{wrong[0]}] is {values[wrong[0]]}, not {right[wrong[0]]}"
    return None
