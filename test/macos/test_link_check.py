"""The link check finds what would keep the module from loading on a Mac."""

from tools.macos import linkcheck, parts, sdk

KNOWN = {
    "Metal": {"_MTLCreateSystemDefaultDevice": True, "_MTLCopyAllDevices": False},
    "libSystem": {"dyld_stub_binder": True},
    "": {"_PyErr_Clear": True},
}


def texts(module, known=KNOWN):
    return [str(finding) for finding in linkcheck.check(module, known)]


def test_a_sound_module_passes(module):
    source = "void PyErr_Clear(void); void f(void) { PyErr_Clear(); }"
    assert texts(module(source, "-Wl,-exported_symbol,_PyInit__C")) == []


def test_a_symbol_that_no_library_has_is_found(module):
    source = "void MTLNoSuchFunction(void); static void f(void) { MTLNoSuchFunction(); } void* p(void) { return f; }"
    found = texts(module(source, "-Wl,-exported_symbol,_PyInit__C", "-Wl,-u,_MTLNoSuchFunction"))
    assert len(found) == 1 and found[0].startswith("link: _MTLNoSuchFunction") and "Python" in found[0]


def test_a_function_that_python_lacks_is_found(module):
    source = "void PyErr_ClearAll(void); void* p = PyErr_ClearAll;"
    assert any(text.startswith("link: _PyErr_ClearAll") for text in texts(module(source)))


def test_a_symbol_that_its_library_lacks_is_found(module, tmp_path):
    framework = tmp_path / "Metal.framework"
    framework.mkdir()
    (framework / "Metal.tbd").write_text(sdk.stub(sdk.LIBRARIES["Metal"], ["_MTLNewerThanAnyWheel"]))
    source = "void MTLNewerThanAnyWheel(void); void* p = MTLNewerThanAnyWheel;"
    found = texts(module(source, f"-F{tmp_path}", "-framework", "Metal", "-Wl,-exported_symbol,_PyInit__C"))
    assert found == ["link: _MTLNewerThanAnyWheel: nothing shows that it is exported by Metal"]


def test_a_symbol_that_others_can_do_without_must_be_weak_here_too(module):
    declaration = "void MTLCopyAllDevices(void) %s; void* p = MTLCopyAllDevices;"
    flags = ["-framework", "Metal", "-Wl,-exported_symbol,_PyInit__C"]
    assert texts(module(declaration % "__attribute__((weak_import))", *flags)) == []
    assert any("_MTLCopyAllDevices" in text and "weak" in text for text in texts(module(declaration % "", *flags)))


def test_an_export_beside_the_init_function_is_found(module):
    assert texts(module("int helper(void) { return 1; }")) == [
        "exports: _helper is exported, but only the init function may be"
    ]


def test_a_module_without_its_init_function_is_found(compile_for_macos, link_for_macos):
    module = link_for_macos(compile_for_macos("static int x; int* f(void) { return &x; }", "-fvisibility=hidden"))
    assert texts(module) == ["exports: _PyInit__C is not exported"]


def test_another_minimum_os_is_found(module):
    for target, version in (("macos13.0", "13.0"), ("macos15.0", "15.0")):
        found = texts(module("", target=target))
        assert found == [f"minimum OS: _C.so is built for macOS {version}, not 14.0"]


def test_a_module_without_a_signature_is_found(module):
    found = texts(module("", "-Wl,-no_adhoc_codesign", "-Wl,-exported_symbol,_PyInit__C"))
    assert found == ["signature: _C.so has none, and Apple silicon runs no code without"]


def test_a_library_that_is_no_part_of_macos_or_torch_is_found(module, tmp_path):
    (tmp_path / "libomp.tbd").write_text(sdk.stub("/opt/homebrew/lib/libomp.dylib", ["_omp_get_num_threads"]))
    found = texts(module("", f"-L{tmp_path}", "-lomp", "-Wl,-exported_symbol,_PyInit__C"))
    assert found == ["libraries: /opt/homebrew/lib/libomp.dylib is loaded, which no Mac is known to have"]


def test_torch_is_looked_for_beside_the_package(module):
    torch = parts.torch_libraries()["libc10"]
    flags = [torch, "-Wl,-needed_library", torch, "-Wl,-exported_symbol,_PyInit__C"]
    assert texts(module("", *flags)) == ["libraries: torch's libraries are not looked for in @loader_path/../torch/lib"]
    assert texts(module("", *flags, "-Wl,-rpath,@loader_path/../torch/lib")) == []


def test_python_exports_its_stable_abi():
    python = linkcheck.exports()[""]
    assert python["_PyErr_SetString"] and python["__Py_NoneStruct"] and python["_PyExc_ValueError"]
    # Of 3.12; of every CPython, but free to change or go.
    assert not {"_PyObject_GetTypeData", "_PyFrame_GetBuiltins", "__PyLong_Sign"} & set(python)


def test_a_function_that_is_not_of_the_stable_abi_is_found(module):
    source = "int _PyLong_Sign(void*); void* PyErr_Occurred(void); int f(void) { return _PyLong_Sign(PyErr_Occurred()); }"
    found = texts(module(source, "-Wl,-exported_symbol,_PyInit__C", "-Wl,-u,__PyLong_Sign"), linkcheck.exports())
    assert len(found) == 1 and found[0].startswith("link: __PyLong_Sign: nothing shows") and "stable ABI" in found[0]


def test_torch_and_the_system_export_what_wheels_import():
    known = linkcheck.exports()
    assert known["libc10"] and known["libtorch_cpu"] and "libtorch_python" not in known
    assert known["Metal"]["_MTLCreateSystemDefaultDevice"]
