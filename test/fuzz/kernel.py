"""A kernel with the grid and the data that it runs on: what it is in MSL, and what the reference says it does."""

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from test.fuzz.atomics import Atomic, initial
from test.fuzz.calls import Function
from test.fuzz.machine import Machine, Shape
from test.fuzz.statements import Block, block_msl, line, run_block
from test.fuzz.types import AnyType, Struct, same

SLACK = 16  # elements behind each output, which nothing may write

_BUILT_INS = {
    "grid_position": "uint3 grid_position [[thread_position_in_grid]]",
    "local_position": "uint3 local_position [[thread_position_in_threadgroup]]",
    "grid_size": "uint3 grid_size [[threads_per_grid]]",
    "group_position": "uint3 group_position [[threadgroup_position_in_grid]]",
    "group_count": "uint3 group_count [[threadgroups_per_grid]]",
    "local_size": "uint3 local_size [[threads_per_threadgroup]]",
    "lid": "uint lid [[thread_index_in_threadgroup]]",
    "lane": "uint lane [[thread_index_in_simdgroup]]",
    "simdgroup": "uint simdgroup [[simdgroup_index_in_threadgroup]]",
}  # fmt: skip
_LINEAR = {"gid": "grid_position.x", "threads": "grid_size.x", "group": "group_position.x"}
_GENERAL = {
    "gid": "(grid_position.z * grid_size.y + grid_position.y) * grid_size.x + grid_position.x",
    "threads": "grid_size.x * grid_size.y * grid_size.z",
    "group": "(group_position.z * group_count.y + group_position.y) * group_count.x + group_position.x",
}
_POSITIONS = {
    "gx": "grid_position.x", "gy": "grid_position.y", "lx": "local_position.x", "ly": "local_position.y",
    "lz": "local_position.z", "group_size": "local_size.x * local_size.y * local_size.z",
}  # fmt: skip


@cache
def prelude() -> str:
    """What all kernels of a source share."""
    return (Path(__file__).parent / "prelude.metal").read_text() + "\n"


@dataclass
class Input:
    type: AnyType
    values: np.ndarray
    space: str = "device const"


@dataclass
class OutputArray:
    """`slots` elements for each thread."""

    type: AnyType
    slots: int


@dataclass
class Shared:
    """An array of threadgroup memory with an element for each thread: a variable, or an argument of the kernel."""

    type: AnyType
    is_argument: bool


@dataclass
class Kernel:
    name: str
    shape: Shape
    body: Block
    inputs: dict[str, Input] = field(default_factory=dict)
    outputs: dict[str, OutputArray] = field(default_factory=dict)
    atomics: dict[str, Atomic] = field(default_factory=dict)
    shared: dict[str, Shared] = field(default_factory=dict)
    shared_atomics: dict[str, Atomic] = field(default_factory=dict)
    structs: list[Struct] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    constants: dict[str, int] = field(default_factory=dict)

    # In MSL. What the body does not name is left out.

    def _used(self, table: dict, text: str) -> dict:
        words = set(re.findall(r"\w+", text))
        return {name: value for name, value in table.items() if name in words}

    def _positions(self, body: str) -> str:
        is_linear = self.shape.grid[1] == self.shape.grid[2] == 1
        table = {**_POSITIONS, **(_LINEAR if is_linear else _GENERAL)}
        return "".join(line(1, f"const uint {name} = {text};") for name, text in self._used(table, body).items())

    def _threadgroup_variables(self, body: str) -> str:
        arrays = [f"{s.type.name} {name}[1024]" for name, s in self._used(self.shared, body).items() if not s.is_argument]
        arrays += [f"atomic_{a.type.name} {name}[8]" for name, a in self._used(self.shared_atomics, body).items()]
        return "".join(line(1, f"threadgroup {array};") for array in arrays)

    def _global_text(self, body: str) -> str:
        """Structures, functions and constants that the body names, or what it names."""
        functions, needed = {}, body
        for function in reversed(self.functions):
            if not function.owner and function.name in re.findall(r"\w+", needed):
                functions[function.name] = function.msl()
                needed += functions[function.name]
        text = "".join(reversed(functions.values()))
        structs = ""
        for struct in reversed(self.structs):
            if struct.name in re.findall(r"\w+", needed):
                methods = [f for f in self.functions if f.owner == struct and f.name in re.findall(r"\w+", needed)]
                structs = struct.msl("".join(method.msl() for method in methods)) + structs
                needed += structs
        constants = "".join(
            f"constant int {name} [[function_constant({i})]];\n"
            for i, name in enumerate(self.constants)
            if name in re.findall(r"\w+", needed)
        )
        return constants + structs + text

    def _buffers(self, body: str) -> list[str]:
        """Names of the arguments that are buffers, in order."""
        return list(self._used({**self.inputs, **self.outputs, **self.atomics}, body))

    def _declaration(self, name: str) -> str:
        if name in self.inputs:
            return f"{self.inputs[name].space} {self.inputs[name].type.name}* {name}"
        if name in self.outputs:
            return f"device {self.outputs[name].type.name}* {name}"
        return f"device atomic_{self.atomics[name].type.name}* {name}"

    def _arguments_of_threadgroup(self, body: str) -> list[str]:
        return [name for name, s in self._used(self.shared, body).items() if s.is_argument]

    def msl(self) -> str:
        body = block_msl(self.body, 1)
        declarations = self._positions(body) + self._threadgroup_variables(body)
        arguments = [f"{self._declaration(name)} [[buffer({i})]]" for i, name in enumerate(self._buffers(body))]
        arguments += [
            f"threadgroup {self.shared[name].type.name}* {name} [[threadgroup({i})]]"
            for i, name in enumerate(self._arguments_of_threadgroup(body))
        ]
        arguments += self._used(_BUILT_INS, declarations + body).values()
        head = f"kernel void {self.name}(\n    " + ",\n    ".join(arguments) + ") {\n"
        return self._global_text(body) + head + declarations + body + "}\n\n"

    # Runs

    def _memory(self) -> dict[str, np.ndarray]:
        """What the buffers hold before a run."""
        memory = {name: array.type.to_memory(array.values) for name, array in self.inputs.items()}
        for name, output in self.outputs.items():
            memory[name] = np.zeros(self.shape.threads * output.slots + SLACK, output.type.memory_dtype)
        for name, atomic in self.atomics.items():
            memory[name] = initial(atomic.function, atomic.type)
        return memory

    def expected(self) -> dict[str, np.ndarray]:
        """What the reference says the outputs are."""
        memory = self._memory()
        outputs = {name: output.type.from_memory(memory[name]) for name, output in self.outputs.items()}
        outputs.update({name: memory[name] for name in self.atomics})
        inputs = {name: array.values for name, array in self.inputs.items()}
        m = Machine(self.shape, inputs, outputs, self.constants)
        m.shared = {name: s.type.zeros(m.groups, 1024) for name, s in self.shared.items()}
        with np.errstate(all="ignore"):
            run_block(self.body, m, m.everyone())
        return m.outputs

    def launch(self) -> "Launch":
        body = block_msl(self.body, 1)
        memory, names = self._memory(), self._buffers(body)
        bytes = [self.shared[name].type.bytes * int(np.prod(self.shape.group)) for name in self._arguments_of_threadgroup(body)]
        constants = {i: value for i, value in enumerate(self.constants.values())}
        return Launch({name: memory[name] for name in names}, self.shape, bytes, constants)

    def mismatch(self, buffers: dict[str, np.ndarray]) -> str | None:
        """Says where the buffers after a run are not what the reference says."""
        expected = self.expected()
        for name, array in buffers.items():
            if name in self.inputs:
                right = self.inputs[name].type.to_memory(self.inputs[name].values)
                if array.tobytes() != right.tobytes():
                    return f"the input {name} was written"
                continue
            type = self.outputs[name].type if name in self.outputs else self.atomics[name].type
            values = type.from_memory(array)
            wrong = np.flatnonzero(~same(values, expected[name]))
            if len(wrong):
                at = wrong[0]
                return f"{len(wrong)} of {len(array)} wrong in {name}; [{at}] is {values[at]}, not {expected[name][at]}"
        return None


@dataclass
class Launch:
    """Arguments of a run. Buffers are written."""

    buffers: dict[str, np.ndarray]
    shape: Shape
    threadgroup_bytes: list[int]
    constants: dict[int, int]
