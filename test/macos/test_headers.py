"""The software device's headers cannot drift from metal-cpp: what they declare, it declares alike, to type and value.

Host code compiles against the software device's headers here and against metal-cpp on macOS. header_pins.py lists all
that the former declare; the list must compile against both.
"""

import shutil
from pathlib import Path

import pytest

from test.macos.header_pins import SHIM, differences, pins
from tools.macos.parts import metal_cpp

SOFTWARE = Path(__file__).parents[2] / "csrc" / "metal" / "software" / "include"

# What the software device declares in public and metal-cpp does not. Reviewed: nothing above csrc/metal/ may use it.
SOFTWARE_ONLY = {
    "NS::detail": "reference counting as functions, for null too; metal-cpp sends messages to null",
    "MTL::Device::newBuffer: Buffer *(const void *, NS::UInteger, ResourceOptions, const std::function<void (void *, "
    "NS::UInteger)> &)": "the deallocator is a block in metal-cpp; portable code passes nullptr",
}


def test_what_the_software_device_declares_metal_cpp_declares_likewise():
    declared = pins(SOFTWARE)
    assert len(declared) > 600, "most of the headers has not been read"
    assert differences(declared, [SOFTWARE]) == {}, "the list is wrong: it does not fit the headers it was made from"
    found = differences(declared, [metal_cpp(), SHIM])
    assert set(found) == set(SOFTWARE_ONLY), found


# One edit of a header each, and what must be found.
DRIFTS = [
    ("MTLDevice", "  Event* newEvent();", "  Event* newEvent();\n  Event* newPromise();",
     "MTL::Device::newPromise: Event *()"),
    ("MTLComputeCommandEncoder", "setBytes(const void* bytes, NS::UInteger", "setBytes(const void* bytes, int",
     "MTL::ComputeCommandEncoder::setBytes: void (const void *, int, NS::UInteger)"),
    ("MTLBuffer", "NS::UInteger length() const", "NS::UInteger length()", "MTL::Buffer::length: NS::UInteger ()"),
    ("MTLEvent", "uint64_t signaledValue() const", "int64_t signaledValue() const",
     "MTL::SharedEvent::signaledValue: int64_t () const"),
    ("MTLCommandBuffer", "ErrorTimeout = 2", "ErrorTimeout = 4", "MTL::CommandBufferErrorTimeout"),
    ("MTLResource", "StorageModePrivate = 1 << 5", "StorageModePrivate = 1 << 6", "MTL::ResourceStorageModePrivate"),
    ("MTLLibrary", "enum MathMode : NS::Integer", "enum MathMode : NS::UInteger", "MTL::MathMode"),
    ("MTLTypes", "uint64_t _impl;", "uint32_t _impl;", "MTL::ResourceID::_impl"),
    ("MTLTypes", "NS::UInteger width, height, depth;", "NS::UInteger height, width, depth;", "MTL::Size::width"),
    ("MTLFence", "NS::Referencing<Fence>", "NS::Copying<Fence>", "MTL::Fence is a NS::Copying<Fence>"),
    ("MTLGPUAddress", "using GPUAddress = uint64_t;", "using GPUAddress = int64_t;", "MTL::GPUAddress"),
    ("NSTypes", "NotFound = IntegerMax", "NotFound = IntegerMin", "NS::NotFound"),
    ("NSArray", "_Object* object(UInteger index) const", "const _Object* object(UInteger index) const",
     "NS::Array::object: const _Object *(UInteger) const"),
    ("NSDictionary", "template <class _Object = Object>", "template <class _Object = Array>",
     "NS::Dictionary::object: _Object *(const Object *) const by default"),
]



def test_every_drift_is_found_and_named(tmp_path):
    copy = tmp_path / "include"
    shutil.copytree(SOFTWARE, copy)
    for header, before, after, _ in DRIFTS:
        (path,) = copy.rglob(f"{header}.hpp")
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after))
    found = differences(pins(copy), [metal_cpp(), SHIM])
    assert {finding for *_, finding in DRIFTS} - set(found) == set()


def test_a_macro_that_is_not_known_is_an_error(tmp_path):
    shutil.copytree(SOFTWARE, tmp_path / "include")
    header = tmp_path / "include" / "Metal" / "MTLFence.hpp"
    header.write_text(header.read_text() + "#define MTL_NEW 1\n")
    with pytest.raises(NotImplementedError, match="MTLFence.hpp defines MTL_NEW"):
        pins(tmp_path / "include")


def test_without_metal_cpp_the_error_names_what_could_not_be_had(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for variable in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(RuntimeError, match="Cannot download mlx-metal .* from PyPI"):
        metal_cpp()
