"""The state of a grid of threads, all of them at once: what the reference executes programs on.

A value is an array with one element a thread. Statements run under a mask of active threads; a SIMD-group is 32 threads
in a row of one threadgroup. Nothing here knows how the compiler works.
"""

from dataclasses import dataclass

import numpy as np

LANES = 32


@dataclass(frozen=True)
class Shape:
    """Threads of a grid and of its threadgroups, x first. Threadgroups at the end of the grid may be smaller."""

    grid: tuple[int, int, int]
    group: tuple[int, int, int]

    @property
    def threads(self) -> int:
        return int(np.prod(self.grid))


@dataclass
class Flow:
    """Threads that have left the loop, the iteration or the kernel."""

    broken: np.ndarray
    continued: np.ndarray


class Machine:
    def __init__(self, shape: Shape, inputs: dict[str, np.ndarray], uniforms: np.ndarray):
        self.inputs, self.uniforms = inputs, uniforms
        self.outputs: dict[str, np.ndarray] = {}
        self.variables: dict[str, np.ndarray] = {}
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
            columns.append(np.stack([linear, index, *fixed, local[0], local[1], x, y]))
        values = np.concatenate(columns, axis=1).astype(np.int64)
        self.gid, self.lid, self.group, self.group_size, self.lx, self.ly, self.gx, self.gy = values
        self.threads = len(self.gid)
        self.lane = self.lid % LANES
        # SIMD-groups as rows, padded with threads that are never active.
        simdgroup = self.group * (1024 // LANES) + self.lid // LANES
        _, self._row = np.unique(simdgroup, return_inverse=True)
        self._rows = int(self._row.max()) + 1

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
        old = self.variables.get(name)
        if old is None:
            old = np.zeros(self.threads, value.dtype)
        self.variables[name] = np.where(mask, value.astype(old.dtype), old)

    # SIMD-groups

    def rows(self, value: np.ndarray, mask: np.ndarray, fill) -> np.ndarray:
        """Lanes of each SIMD-group as a row; `fill` where a lane is not active."""
        table = np.full((self._rows, LANES), fill, value.dtype)
        table[self._row[mask], self.lane[mask]] = value[mask]
        return table

    def spread(self, table: np.ndarray) -> np.ndarray:
        """Each thread's element of a table of SIMD-groups."""
        return table[self._row, self.lane] if table.ndim == 2 else table[self._row]

    def shuffle(self, value: np.ndarray, source: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """`value` of lane `source`, 0 if that lane is not active."""
        return self.rows(value, mask, value.dtype.type(0))[self._row, source]
