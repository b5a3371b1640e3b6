"""Where it is measured: the machine, the versions, the environment of a measuring process.

No path, user or host name is taken down: the results are made to be published.
"""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("numpy", "torch", "mygrad", "autograd", "jax", "jaxlib")


def thread_settings(threads: int) -> dict[str, str]:
    """Give the environment in which every library uses that many threads.

    They read it when they are imported, so a process must be started with it. XLA (JAX) sizes its
    pool by NPROC.
    """
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
             "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS", "NPROC")  # fmt: skip
    return dict.fromkeys(names, str(threads))


def environment_with_this_package() -> dict[str, str]:
    """Let a new process import the very package that runs now, from wherever it was started."""
    here = str(Path(__file__).resolve().parents[2])
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def description() -> dict[str, Any]:
    """Describe this machine and what is installed."""
    config: Any = np.show_config(mode="dicts")  # type: ignore[call-overload, unused-ignore]
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
        "packages": {package: _version(package) for package in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:  # Linux: platform.processor() is empty or only "x86_64" there
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
