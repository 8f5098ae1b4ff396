"""What the compiler makes of a kernel grows with the kernel, not with what its loops might do."""

from test.mslc.tool import PRELUDE, mslc

SERIES = PRELUDE + """
constant float table[2][2] = {{1, 0.5f}, {0.25f, 0.125f}};

kernel void k(device float* out, device const float* x, uint i [[thread_position_in_grid]]) {
  float power[25] = {1};
  float sum = 0;
  for (int k = 0; k < 25; ++k) {
    float term = table[k & 1][0];
    for (int n = 1; n < 25; ++n) {
      power[n] = x[i] * power[n - 1];
      term += table[k & 1][n & 1] * power[n];
      if (power[n] < 1e-7f) break;
    }
    sum += term;
    if (fabs(term) < 1e-7f) break;
  }
  out[i] = sum;
}
"""


def instructions(folder, source):
    (folder / "k.metal").write_text(source)
    result = mslc("--emit=ir-thread", folder / "k.metal")
    assert result.returncode == 0, result.stderr
    return sum(line.startswith("  ") for line in result.stdout.splitlines())


def test_loops_with_a_break_stay_loops(tmp_path):
    assert instructions(tmp_path, SERIES) < 200
