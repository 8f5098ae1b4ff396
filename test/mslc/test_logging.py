"""Kernels write messages with os_log."""

import numpy as np
import pytest

from .library import Library

SOURCE = """
#include <metal_stdlib>
#include <metal_logging>
using namespace metal;
constant os_log places("com.example", "places");

kernel void everything(device const float* x [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  if (i != 1) return;
  os_log_default.log("%d %x %hhd %hu %ld %lu %c|%-4d|%+i %o", -5, -1, char(-3), ushort(65535), long(-1) << 40,
                     ulong(1) << 63, 'A', 42, short(7), 8u);
  os_log_default.log("%5.2f %g %.1e %f 100%%", x[1], half(1.5h), bfloat(0.5f), INFINITY);
  os_log_default.log("%v4f %v2d %v3hu %v2hhd %.1v3hf %v2lx", float4(1, 2, 3, 4), int2(-1, 7), ushort3(1, 2, 65535),
                     char2(-1, 1), half3(1, 2, 3), ulong2(10, 11));
  os_log_default.log("no arguments");
}

kernel void levels(uint i [[thread_position_in_grid]]) {
  places.log("a");
  places.log_debug("b");
  places.log_info("c");
  places.log_error("d");
  places.log_fault("e");
}

kernel void threads(uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  for (uint round = 0; round < 1 + i % 2; ++round) {
    if (i % 3 != 0) os_log_default.log("%u in round %u of lane %u", i, round, lane);
    threadgroup_barrier(mem_flags::mem_none);
  }
}

struct Pair { float a, b; void show() const thread { os_log_default.log("%f and %f", a, b); } };
kernel void called(uint i [[thread_position_in_grid]]) { Pair p = {float(i), 2}; p.show(); }
"""


@pytest.fixture(scope="module")
def library():
    return Library(SOURCE)


def messages(capfd) -> list[str]:
    return capfd.readouterr().err.splitlines()


def test_every_conversion(library, capfd):
    library.kernel("everything")([np.float32([0, 2.25])], (2,), (2,))
    assert messages(capfd) == [
        "-5 ffffffff -3 65535 -1099511627776 9223372036854775808 A|42  |+7 10",
        " 2.25 1.5 5.0e-01 inf 100%",
        "1.000000, 2.000000, 3.000000, 4.000000 -1, 7 1, 2, 65535 -1, 1 1.0, 2.0, 3.0 a, b",
        "no arguments",
    ]


def test_levels_subsystem_and_category_are_said(library, capfd):
    library.kernel("levels")([], (1,), (1,))
    place = "[com.example:places] "
    assert messages(capfd) == [place + text for text in ("a", "debug: b", "info: c", "error: d", "fault: e")]


def test_each_active_thread_writes_its_own_message(library, capfd):
    library.kernel("threads")([], (100,), (50,))
    expected = [f"{i} in round {r} of lane {i % 50 % 32}" for i in range(100) if i % 3 for r in range(1 + i % 2)]
    assert sorted(messages(capfd)) == sorted(expected)


def test_messages_from_methods(library, capfd):
    library.kernel("called")([], (2,), (2,))
    assert messages(capfd) == ["0.000000 and 2.000000", "1.000000 and 2.000000"]
