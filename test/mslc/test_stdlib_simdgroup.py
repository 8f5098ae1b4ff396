"""SIMD-group and quad-group functions, with all lanes active and with some."""

import numpy as np
import pytest

from .elementwise import NUMPY_TYPES, PRELUDE
from .library import Library

LANES = 32
REDUCTIONS = {"sum": np.add, "product": np.multiply, "min": np.minimum, "max": np.maximum}
BITWISE = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}
TYPES = ["char", "uchar", "short", "ushort", "int", "uint", "half", "float"]
ACTIVE = {"all": np.ones(LANES, bool), "some": np.random.default_rng(0).random(LANES) < 0.6}


def expressions(type_):
    """Text and reference of each function; a reference maps the lanes' values and their activity to results."""
    table = {}
    groups = {"simd": LANES, "quad": 4}
    integers = type_ not in ("half", "float")
    for group, width in groups.items():
        for name, operation in {**REDUCTIONS, **(BITWISE if integers else {})}.items():
            table[f"{group}_{name}(x)"] = reduction(operation, width)
        for name, operation in [("sum", np.add), ("product", np.multiply)]:
            table[f"{group}_prefix_inclusive_{name}(x)"] = prefix(operation, width, inclusive=True)
            table[f"{group}_prefix_exclusive_{name}(x)"] = prefix(operation, width, inclusive=False)
        table[f"{group}_broadcast_first(x)"] = first(width)
    return table


def groups_of(active, width):
    lanes = np.arange(LANES)
    return [lanes[start : start + width][active[start : start + width]] for start in range(0, LANES, width)]


def reduction(operation, width):
    def reference(x, active):
        result = x.copy()
        for lanes in groups_of(active, width):
            if len(lanes):
                result[lanes] = operation.reduce(x[lanes], dtype=x.dtype)
        return result

    return reference


def prefix(operation, width, inclusive):
    def reference(x, active):
        result = x.copy()
        for lanes in groups_of(active, width):
            values = operation.accumulate(x[lanes], dtype=x.dtype)
            identity = x.dtype.type(operation.identity)
            result[lanes] = values if inclusive else np.concatenate([[identity], values[:-1]])[: len(lanes)]
        return result

    return reference


def first(width):
    def reference(x, active):
        result = x.copy()
        for lanes in groups_of(active, width):
            result[lanes] = x[lanes[:1]]
        return result

    return reference


def kernel(name, type_, statements):
    return (f"kernel void {name}(device {type_}* out, device const {type_}* in, device const uint* active, "
            "uint lane [[thread_index_in_simdgroup]]) {\n"
            f"  const {type_} x = in[lane];\n  if (active[lane] == 0) return;\n{statements}}}\n")  # fmt: skip


def reductions_kernel(type_):
    lines = [f"  out[{k} * 32 + lane] = {text};\n" for k, text in enumerate(expressions(type_))]
    return kernel(f"reductions_{type_}", type_, "".join(lines))


# Of a source lane and the lane itself: which lane's value arrives, or -1 for the filling.
SHUFFLES = {
    "simd_shuffle(x, ushort(lane * 7))": lambda i: i * 7 % 32,
    "simd_shuffle(x, ushort(lane * 7 * active[lane]))": lambda i: i * 7 % 32,
    "simd_shuffle(x, 5)": lambda i: 5,
    "simd_broadcast(x, 9)": lambda i: 9,
    "simd_shuffle_xor(x, 6)": lambda i: i ^ 6,
    "simd_shuffle_down(x, 3)": lambda i: i + 3 if i + 3 < 32 else i,
    "simd_shuffle_up(x, 3)": lambda i: i - 3 if i >= 3 else i,
    "simd_shuffle_rotate_down(x, 3)": lambda i: (i + 3) % 32,
    "simd_shuffle_rotate_up(x, 3)": lambda i: (i - 3) % 32,
    "simd_shuffle_and_fill_down(x, filling, 3)": lambda i: i + 3 if i + 3 < 32 else 32 + (i + 3) % 32,
    "simd_shuffle_and_fill_up(x, filling, 3)": lambda i: i - 3 if i >= 3 else 32 + (i - 3) % 32,
    "simd_shuffle_and_fill_down(x, filling, 3, 8)": lambda i: i + 3 if i % 8 + 3 < 8 else 32 + i - 5,
    "simd_shuffle_and_fill_up(x, filling, 3, 8)": lambda i: i - 3 if i % 8 >= 3 else 32 + i + 5,
    "quad_shuffle(x, ushort(lane * 3))": lambda i: i & ~3 | i * 3 % 4,
    "quad_broadcast(x, 2)": lambda i: i & ~3 | 2,
    "quad_shuffle_xor(x, 3)": lambda i: i ^ 3,
    "quad_shuffle_down(x, 1)": lambda i: i + 1 if i % 4 < 3 else i,
    "quad_shuffle_up(x, 1)": lambda i: i - 1 if i % 4 else i,
    "quad_shuffle_rotate_down(x, 1)": lambda i: i & ~3 | (i + 1) % 4,
    "quad_shuffle_rotate_up(x, 1)": lambda i: i & ~3 | (i - 1) % 4,
    "quad_shuffle_and_fill_down(x, filling, 1)": lambda i: i + 1 if i % 4 < 3 else 32 + (i & ~3),
    "quad_shuffle_and_fill_up(x, filling, 1)": lambda i: i - 1 if i % 4 else 32 + (i | 3),
}
SHUFFLED_TYPES = ["char", "ushort", "int", "half", "float", "float4", "short2"]

VOTES = """
kernel void votes(device uint* out, device const uint* predicates, device const uint* active,
                  uint lane [[thread_index_in_simdgroup]]) {
  if (active[lane] == 0) return;
  const bool p = predicates[lane] != 0;
  const simd_vote vote = simd_ballot(p);
  const uint values[] = {
      uint(ulong(vote)), uint(ulong(simd_active_threads_mask())), simd_all(p), simd_any(p), simd_is_first(), vote.any(),
      uint(quad_vote::vote_t(quad_ballot(p))), uint(quad_vote::vote_t(quad_active_threads_mask())), quad_all(p),
      quad_any(p), quad_is_first()};
  for (uint k = 0; k < 11; ++k) out[k * 32 + lane] = values[k];
}
"""


def shuffles_kernel(type_):
    lines = [f"  out[{k} * 32 + lane] = {text};\n" for k, text in enumerate(SHUFFLES)]
    return kernel(f"shuffles_{type_}", type_, f"  const {type_} filling = in[32 + lane];\n" + "".join(lines))


@pytest.fixture(scope="module")
def library():
    kernels = [reductions_kernel(type_) for type_ in TYPES] + [shuffles_kernel(type_) for type_ in SHUFFLED_TYPES]
    return Library(PRELUDE + "".join(kernels) + VOTES)


def run(library, name, rows, values, active):
    out = np.zeros((rows, LANES, *values.shape[1:]), values.dtype)
    library.kernel(name)([out, values, active.astype(np.uint32)], (LANES,), (LANES,))
    return out


@pytest.mark.parametrize("active", ACTIVE)
@pytest.mark.parametrize("type_", TYPES)
def test_reductions_take_the_active_lanes(type_, active, library):
    dtype = NUMPY_TYPES[type_]
    # Powers of two: exact in any order, also in products.
    x = np.random.default_rng(1).choice(np.array([1, 1, 1, 1, 2], dtype), LANES)
    functions = expressions(type_)
    out = run(library, f"reductions_{type_}", len(functions), x, ACTIVE[active])
    for row, (text, reference) in zip(out, functions.items()):
        expected = reference(x, ACTIVE[active])
        np.testing.assert_array_equal(row[ACTIVE[active]], expected[ACTIVE[active]], err_msg=text)


@pytest.mark.parametrize("type_", SHUFFLED_TYPES)
def test_shuffles(type_, library):
    scalar, length = type_.rstrip("234"), type_[-1] if type_[-1].isdigit() else ""
    shape = (2 * LANES, int(length)) if length else (2 * LANES,)
    x = np.arange(np.prod(shape)).reshape(shape).astype(NUMPY_TYPES[scalar])
    out = run(library, f"shuffles_{type_}", len(SHUFFLES), x, ACTIVE["all"])
    for row, (text, source) in zip(out, SHUFFLES.items()):
        np.testing.assert_array_equal(row, x[[source(i) for i in range(LANES)]], err_msg=text)


@pytest.mark.parametrize("active", ACTIVE)
@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_votes(share, active, library):
    taking_part = ACTIVE[active]
    predicates = np.random.default_rng(2).random(LANES) < share
    out = run(library, "votes", 11, predicates.astype(np.uint32), taking_part)
    yes = predicates & taking_part

    def mask(bits):
        return sum(1 << i for i, bit in enumerate(bits) if bit)

    for lane in np.flatnonzero(taking_part):
        quad = slice(lane & ~3, (lane & ~3) + 4)
        expected = [mask(yes), mask(taking_part), (yes == taking_part).all(), yes.any(), lane == taking_part.argmax(),
                    yes.any(), mask(yes[quad]), mask(taking_part[quad]), (yes == taking_part)[quad].all(),
                    yes[quad].any(), lane % 4 == taking_part[quad].argmax()]  # fmt: skip
        assert out[:, lane].tolist() == [int(value) for value in expected]
