"""Kernels that once went wrong stay right, and what finds and shrinks them works."""

from test.fuzz.generator import generate
from test.fuzz.minimise import reduce
from test.fuzz.regressions import FOLDER, replay, save
from test.fuzz.statements import block_msl


def test_kernels_that_once_went_wrong_are_right():
    wrong = {path.name: what for path in FOLDER.glob("*.json") if (what := replay(path))}
    assert wrong == {}


def test_a_saved_kernel_is_replayed_with_its_data(tmp_path):
    path = save(generate(1), tmp_path)
    assert replay(path) is None
    path.write_text(path.read_text().replace("  out[", "  out[1 + "))
    assert "wrong in out" in replay(path)


def test_a_fault_is_reduced_to_the_statement_that_shows_it():
    """The fault is made up: a kernel is wrong if it multiplies at all."""
    kernel = next(k for k in map(generate, range(50)) if block_msl(k.body, 0).count(" * ") > 5)
    small = reduce(kernel, lambda k: "value" if "out[" in block_msl(k.body, 0) else "")
    assert len(small.body) == 1 and small.shape.threads == 1
