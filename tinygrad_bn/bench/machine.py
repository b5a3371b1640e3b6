"""The conditions of a measurement: the machine, the versions, the environment of the process.

No path, user name or host name is stored, since the results are meant to be published.
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
    """Return environment variables with which every library uses that many threads.

    The libraries read them when they are imported, so a process must be started with them. XLA
    (JAX) reads the size of its thread pool from NPROC.
    """
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
             "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS", "NPROC")  # fmt: skip
    return dict.fromkeys(names, str(threads))


def environment_with_this_package() -> dict[str, str]:
    """Return an environment in which a new process imports this copy of the package."""
    here = str(Path(__file__).resolve().parents[2])
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def description() -> dict[str, Any]:
    """Return a description of this machine and of the installed packages."""
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
