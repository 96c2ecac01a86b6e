"""Builds of the session code for tests: with AddressSanitizer and UndefinedBehaviorSanitizer, and coverage to fuzz by.

As a pytest plugin (`-p session_build`) it puts the build named by SESSION_BUILD in the place of the usual one.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "native" / "rights_native" / "_http2.pyx"
COVER = Path(__file__).parent / "fuzz" / "cover.c"
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
COVERAGE = ["-fsanitize-coverage=trace-pc"]
NAME = "rights_native._http2"


def build(directory: Path) -> Path:
    """Compiles the session with all of that; the file."""
    include = sysconfig.get_paths()["include"]
    generated, covered = directory / "_http2.c", directory / "cover.o"
    built = directory / "_http2.so"
    run("-m", "cython", "-3", str(SOURCE), "-o", str(generated))
    common = ["gcc", "-g", "-O1", "-fPIC", f"-I{include}", f"-I{SOURCE.parent}"]
    subprocess.run([*common, "-c", str(COVER), "-o", str(covered)], check=True)
    command = [
        *common,
        *SANITIZE,
        *COVERAGE,
        "-shared",
        str(generated),
        str(covered),
        "-o",
        str(built),
        "-ldl",
    ]
    subprocess.run(command, check=True)
    return built


def run(*arguments: str) -> None:
    """This Python with arguments; raises with its output where it fails."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def environment(built: Path) -> dict[str, str]:
    """What a process needs that loads the build: the sanitizers first, and Python's allocations for them to see."""
    libraries = [
        subprocess.run(
            ["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    return {
        **os.environ,
        "SESSION_BUILD": str(built),
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=99",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }


def use(built: Path) -> None:
    """Makes `rights_native._http2` that build, in this process."""
    import rights_native

    spec = importlib.util.spec_from_file_location(NAME, built)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    rights_native._http2 = module  # type: ignore[attr-defined]


if "SESSION_BUILD" in os.environ:
    use(Path(os.environ["SESSION_BUILD"]))
