"""The state of a grid of threads, all of them at once: what the reference executes programs on.

A value is an array with one element a thread. Statements run under a mask of active threads; a SIMD-group is 32 threads
in a row of one threadgroup. Nothing here knows how the compiler works.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

LANES = 32
ARRAY_SPAN = 1 << 20  # an address is an array's number and an index


@dataclass(frozen=True)
class Shape:
    """Threads of a grid and of its threadgroups, x first. Threadgroups at the end of the grid may be smaller."""

    grid: tuple[int, int, int]
    group: tuple[int, int, int]

    @property
    def threads(self) -> int:
        return int(np.prod(self.grid))


def where(mask: np.ndarray, yes: np.ndarray, no: np.ndarray) -> np.ndarray:
    """As np.where, with a mask of threads for values that may be vectors."""
    return np.where(mask[:, None] if np.ndim(yes) > mask.ndim or np.ndim(no) > mask.ndim else mask, yes, no)


@dataclass
class Flow:
    """Threads that have left the loop, the iteration or the kernel."""

    broken: np.ndarray
    continued: np.ndarray


class Machine:
    def __init__(self, shape: Shape, inputs: dict[str, np.ndarray], outputs: dict[str, np.ndarray], constants: dict[str, int]):
        """`inputs` and `outputs` are buffers, `constants` the values of function constants."""
        self.inputs, self.outputs, self.constants = inputs, outputs, constants
        self.shared: dict[str, np.ndarray] = {}
        self.private: dict[str, np.ndarray] = {}
        self.variables: dict[str, np.ndarray] = {}
        self._arrays: list[str] = []
        self._place(shape)
        self.returned = np.zeros(self.threads, bool)
        self.flows: list[Flow] = []

    def _place(self, shape: Shape) -> None:
        # Threads in the order of threadgroups and of threads in them, so that SIMD-groups are contiguous.
        columns = []
        groups = [range(-(-g // t)) for g, t in zip(shape.grid, shape.group)]
        for group, (gz, gy, gx) in enumerate(np.array(np.meshgrid(groups[2], groups[1], groups[0], indexing="ij")).reshape(3, -1).T):
            start = np.array([gx, gy, gz]) * shape.group
            size = np.minimum(shape.group, np.array(shape.grid) - start)
            index = np.arange(int(np.prod(size)))
            local = np.stack([index % size[0], index // size[0] % size[1], index // (size[0] * size[1])])
            x, y, z = local + start[:, None]
            linear = (z * shape.grid[1] + y) * shape.grid[0] + x
            fixed = [np.full(len(index), value) for value in (group, len(index))]
            columns.append(np.stack([linear, index, *fixed, *local, x, y]))
        values = np.concatenate(columns, axis=1).astype(np.int64)
        self.gid, self.lid, self.group, self.group_size, self.lx, self.ly, self.lz, self.gx, self.gy = values
        self.threads = len(self.gid)
        self.groups = int(self.group.max()) + 1
        self.lane = self.lid % LANES
        self.simdgroup = self.lid // LANES
        # SIMD-groups as rows, padded with threads that are never active.
        simdgroup = self.group * (1024 // LANES) + self.lid // LANES
        _, self.row = np.unique(simdgroup, return_inverse=True)
        self._rows = int(self.row.max()) + 1

    def everyone(self) -> np.ndarray:
        return np.ones(self.threads, bool)

    def active(self, mask: np.ndarray) -> np.ndarray:
        """`mask` without threads that have left since."""
        mask = mask & ~self.returned
        for flow in self.flows:
            mask = mask & ~flow.broken & ~flow.continued
        return mask

    def enter_loop(self) -> Flow:
        self.flows.append(Flow(np.zeros(self.threads, bool), np.zeros(self.threads, bool)))
        return self.flows[-1]

    def leave_loop(self) -> None:
        self.flows.pop()

    def assign(self, name: str, value: np.ndarray, mask: np.ndarray) -> None:
        self.variables[name] = where(mask, value, self.variables[name])

    @contextmanager
    def call(self, parameters: dict[str, np.ndarray]):
        """The variables and the flow of a function of its own; yields its variables."""
        outer = self.variables, self.returned, self.flows
        self.variables, self.returned, self.flows = parameters, np.zeros(self.threads, bool), []
        try:
            yield self.variables
        finally:
            self.variables, self.returned, self.flows = outer

    # Arrays and pointers into them

    def address(self, array: str, index: np.ndarray) -> np.ndarray:
        if array not in self._arrays:
            self._arrays.append(array)
        return self._arrays.index(array) * ARRAY_SPAN + index.astype(np.int64)

    def _elements(self, array: str) -> tuple[np.ndarray, tuple]:
        """An array of any address space, and where in it the threads' own elements begin."""
        if array in self.inputs:
            return self.inputs[array], ()
        if array in self.shared:
            return self.shared[array], (self.group,)
        return self.private[array], (np.arange(self.threads),)

    def load(self, address: np.ndarray) -> np.ndarray:
        number, index = np.divmod(address, ARRAY_SPAN)
        result = None
        for i, array in enumerate(self._arrays):
            here = number == i
            if not here.any():
                continue
            elements, own = self._elements(array)
            value = elements[(*own, np.where(here, index, 0))]
            result = value if result is None else where(here, value, result)
        return result

    def store(self, address: np.ndarray, value: np.ndarray, mask: np.ndarray) -> None:
        number, index = np.divmod(address, ARRAY_SPAN)
        for i, array in enumerate(self._arrays):
            here = mask & (number == i)
            if here.any():
                elements, own = self._elements(array)
                elements[(*(o[here] for o in own), index[here])] = value[here]

    # SIMD-groups

    def rows(self, value: np.ndarray, mask: np.ndarray, fill) -> np.ndarray:
        """Lanes of each SIMD-group as a row; `fill` where a lane is not active."""
        table = np.full((self._rows, LANES, *value.shape[1:]), fill, value.dtype)
        table[self.row[mask], self.lane[mask]] = value[mask]
        return table

    def spread(self, table: np.ndarray) -> np.ndarray:
        """Each thread's element of a table of lanes."""
        return table[self.row, self.lane]

    def shuffle(self, value: np.ndarray, source: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """`value` of lane `source`, 0 if that lane is not active."""
        return self.rows(value, mask, 0)[self.row, source]
