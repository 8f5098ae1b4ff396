"""The selector check finds messages that no Mac, or not the oldest one, understands."""

import pytest

from tools.macos import parts, selectors
from tools.macos.findings import table

UNGUARDED = {"guard": "-", "asks": "-"}
SETTER = 'send<void>(this, "setStrideInX:", stride);\n'


def findings(tmp_path, code, reviewed=()):
    path = tmp_path / "code.cpp"
    path.write_text(code)
    uses, unreadable = selectors.source_uses(path)
    return [str(f) for f in unreadable + selectors.check(uses, list(reviewed))]


def test_what_exists_passes(tmp_path):
    assert findings(tmp_path, SETTER + 'objc_class("MPSGraph");') == []


def test_a_wrong_selector_is_found(tmp_path):
    found = findings(tmp_path, SETTER + 'send<void>(this, "setStrideInXX:", stride);')
    assert found == ["selectors: code.cpp:2: nothing shows that macOS 14 has the selector setStrideInXX:"]


@pytest.mark.parametrize("arguments", ["", ", a, b", ", f(a, b), {c, d}"])
def test_a_wrong_number_of_arguments_is_found(tmp_path, arguments):
    found = findings(tmp_path, f'send<void>(this, "setStrideInX:"{arguments});')
    passed = 0 if not arguments else 2
    assert found == [f"selectors: code.cpp:1: setStrideInX: takes 1 arguments, {passed} are passed"]


def test_a_class_never_seen_is_found(tmp_path):
    found = findings(tmp_path, 'auto* c = objc_class("MPSGraphNoSuchThing");')
    assert found == ["selectors: code.cpp:1: nothing shows that macOS 14 has the class MPSGraphNoSuchThing"]


def test_a_selector_that_is_no_literal_is_found(tmp_path):
    (found,) = findings(tmp_path, "send<void>(this, name, 1);")
    assert "not a string literal" in found


def test_calls_are_read_as_the_compiler_reads_them(tmp_path):
    code = """
    // send<void>(this, "commentedOut:", 1);
    send<Tensor*>(this, "matrixMultiplicationWith"  /* in pieces */
                        "PrimaryTensor:secondaryTensor:name:", f(a, ")"), b[g(1, 2)], nullptr);
    """
    assert findings(tmp_path, code) == []


def test_a_method_newer_than_macos_14_is_found_in_object_files(compile_for_macos):
    code = """
    #include <Metal/Metal.hpp>
    void* newer(MTL::Device* device) { return device->newResidencySet(nullptr, nullptr); }
    void* older(MTL::Device* device) { return device->newCommandQueue(); }
    """
    path = compile_for_macos(code, "-std=c++20", "-isystem", parts.metal_cpp(), language="c++")
    uses = selectors.object_uses(path, parts.metal_cpp())
    sent = {(use.name, use.arguments) for use in uses}
    assert sent == {("newResidencySetWithDescriptor:error:", 2), ("newCommandQueue", 0)}
    (found,) = selectors.check(uses, [])
    assert "newResidencySetWithDescriptor:error:" in found.text


def test_metal_cpp_passes_as_many_arguments_as_its_selectors_take():
    calls = selectors.metal_cpp_calls(parts.metal_cpp())
    names = selectors.metal_cpp_names(parts.metal_cpp())
    assert len(calls) > 1000  # the headers are read at all
    assert all(numbers == {names["selector", v].count(":")} for v, numbers in calls.items())


def test_what_is_newer_than_macos_14_needs_a_guard():
    row = {"kind": "selector", "name": "initWithShape:dataType:", "macos": "15.0", "reason": "new"} | UNGUARDED
    here = {"guard": "csrc/metal/apple/mps_graph.cpp"}
    unguarded = [row, row | here | {"asks": "initWithShape:dataType:"}, row | here | {"asks": "is_macos(15)"}]
    unguarded.append(row | {"macos": "15.4", "guard": "csrc/metal/apple/platform.cpp", "asks": "is_macos(15)"})
    assert [f.check for f in selectors.review_findings(unguarded)] == ["reviewed selectors"] * 4
    guarded = [row | here | {"asks": "setPreferPackedRows:"}, row | here | {"asks": "MPSNDArray"}]
    guarded.append(row | {"guard": "csrc/metal/apple/platform.cpp", "asks": "is_macos(15)"})
    assert selectors.review_findings([*guarded, row | {"macos": "14.0"}]) == []


def test_a_review_without_a_reason_is_found():
    row = {"kind": "selector", "name": "feedTensors", "macos": "12.0", "reason": ""} | UNGUARDED
    assert [f.text for f in selectors.review_findings([row])] == ["feedTensors has no reason"]


def test_reviews_are_only_of_what_is_used_and_unproven_or_new():
    sources = (selectors.ROOT / "csrc" / "metal" / "apple").glob("*.cpp")
    used = {use.name for path in sources for use in selectors.source_uses(path)[0]}
    for row in table("reviewed_selectors"):
        newer = row["guard"] != "-"
        assert newer or (row["kind"], row["name"]) not in selectors.proven(), f"{row['name']} needs no review"
        assert newer or row["name"] in used, f"{row['name']} is not used"


def test_a_selector_that_the_module_lacks_is_found(module):
    held = module('const char* name = "setStrideInX:";')
    uses = [selectors.Use("selector", name, 1, "code.cpp:1") for name in ("setStrideInX:", "setStrideInY:")]
    (found,) = selectors.check_binary(held, uses)
    assert found.text == "code.cpp:1: the module lacks the string 'setStrideInY:'"
