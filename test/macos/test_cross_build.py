"""What the wheel for macOS is made of compiles and links here, and passes every check."""

import subprocess

import pytest

from test.macos.conftest import INIT
from tools.macos import check, compile, linkcheck, parts, sdk

DEVICE = compile.ROOT / "csrc" / "runtime" / "device.cpp"


@pytest.fixture
def apple_objects():
    """The objects of the Apple device and of one file above it, compiled as for the wheel."""
    sources = [*sorted((compile.ROOT / "csrc" / "metal" / "apple").glob("*.cpp")), DEVICE]
    with compile.lock():
        compile.configure()
        objects = [compile.compile_command(source)[1] for source in sources]
        compile.ninja(*(str(path.relative_to(compile.BUILD)) for path in objects), jobs=1)
    return objects


def test_the_apple_device_passes_every_check(apple_objects, compile_for_macos, link_for_macos):
    frameworks = [flag for name in sdk.LIBRARIES if not name.startswith("lib") for flag in ("-framework", name)]
    libraries = [*parts.torch_libraries().values(), "-lc++", "-lobjc", *frameworks]
    flags = ["-Wl,-exported_symbol,_PyInit__C", f"-Wl,-rpath,{linkcheck.TORCH_PATH}"]
    module = link_for_macos(*apple_objects, compile_for_macos(INIT), *libraries, *flags)
    found = check.check(module, apple_objects)
    # What other files of ours define is missing in this small link only.
    assert [str(f) for f in found if "11torch_metal" not in f.text] == []


def test_a_fresh_build_of_the_module_passes_every_check():
    """Compiling all of it takes minutes, which `make macos-wheel` spends."""
    with compile.lock():
        module = compile.fresh_module()
        if not module:
            pytest.skip("build/macos holds no module that is up to date; `make macos-wheel` makes and checks one")
        assert check.check(module, compile.object_files()) == []


def test_objects_do_not_depend_on_the_folder(apple_objects, tmp_path):
    """Messages of checks hold the names of source files."""
    root = str(compile.ROOT)
    made = []
    for name in ("one", "another"):
        copy = tmp_path / name
        (copy / "csrc").mkdir(parents=True)
        subprocess.run(["cp", "-r", *(f"{root}/csrc/{d}" for d in ("metal", "runtime")), copy / "csrc"], check=True)
        words, _ = compile.compile_command(DEVICE)
        command = [w.replace(f"{root}/csrc", f"{copy}/csrc").replace(f"={root}/=", f"={copy}/=") for w in words]
        command[command.index("-o") + 1] = str(copy / "device.o")
        subprocess.run(command, cwd=compile.BUILD, check=True)
        made.append((copy / "device.o").read_bytes())
    assert made[0] == made[1]
    assert b"csrc/runtime/device.cpp" in made[0]
