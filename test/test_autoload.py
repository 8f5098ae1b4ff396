"""`import torch` registers the device, and works whatever state this package is in."""

import os
import subprocess
import sys


def run(code, tmp_path=None, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env={**os.environ, **environment}
    )


def test_importing_torch_is_enough():
    result = run("import torch; print(torch.empty(2, device='metal').device)")
    assert result.stdout.strip() == "metal:0", result.stderr


def test_a_broken_package_only_warns(tmp_path):
    (tmp_path / "torch_metal").mkdir()
    (tmp_path / "torch_metal" / "__init__.py").write_text("raise RuntimeError('no such library')")
    import torch_metal_autoload

    (tmp_path / "torch_metal_autoload.py").write_text(open(torch_metal_autoload.__file__).read())
    code = "import torch_metal_autoload; torch_metal_autoload.load(); import torch; print(torch.ones(2).sum().item())"
    result = run(code, tmp_path)
    assert result.returncode == 0 and result.stdout.strip() == "2.0"
    assert "no such library" in result.stderr


def test_either_import_order_works():
    for code in ("import torch_metal, torch", "import torch, torch_metal"):
        result = run(code + "; print(torch.empty(2, device='metal').device)")
        assert result.stdout.strip() == "metal:0", result.stderr
