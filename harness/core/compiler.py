"""The C compiler that Triton needs at run time, tried on a module of ten lines; and Triton."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

# Like the launchers that Triton compiles: an extension module that includes Python's headers.
_SOURCE = """
#include <Python.h>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "probe", 0, -1, 0};
PyMODINIT_FUNC PyInit_probe(void) { return PyModule_Create(&definition); }
"""
_LIMIT_S = 60


def compiler_problem() -> str | None:
    """Return why compiled kernels cannot be built here; None if they can.

    `CC` names another compiler than gcc or clang, for Triton as well.
    """
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return "no C compiler: neither gcc nor clang is installed, and CC is not set"
    include = sysconfig.get_path("include")
    with tempfile.TemporaryDirectory(prefix="longtake-compiler-") as folder:
        source = Path(folder) / "probe.c"
        source.write_text(_SOURCE)
        command = [compiler, "-shared", "-fPIC", f"-I{include}", str(source), "-o"]
        try:
            run = subprocess.run(
                [*command, str(source.with_suffix(".so"))],
                capture_output=True,
                text=True,
                timeout=_LIMIT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{compiler} does not run: {error}"
        if run.returncode == 0 and source.with_suffix(".so").is_file():
            return None
    if "Python.h" in run.stderr:
        return f"Python.h is missing in {include}: install the headers (python3-dev)"
    lines = run.stderr.strip().splitlines()
    return f"{compiler} fails: {lines[0] if lines else f'status {run.returncode}'}"


def kernel_problem() -> str | None:
    """Return why compiled kernels cannot be built, or do not run on the GPU; None if they do.

    Without a GPU only the compiler is tried.
    """
    import torch

    problem = compiler_problem()
    if problem or not torch.cuda.is_available():
        return problem
    add = torch.compile(lambda x, y: (x + y).sin(), fullgraph=True, dynamic=False)
    x, y = (torch.arange(1000, device="cuda", dtype=torch.float32) * k for k in (1, 2))
    try:
        right = torch.allclose(add(x, y), (x + y).sin(), atol=1e-5)
    except Exception as error:
        lines = str(error).strip().splitlines()
        return f"a kernel of one sum fails: {lines[0] if lines else type(error).__name__}"
    return None if right else "a kernel of one sum gives a wrong one"
