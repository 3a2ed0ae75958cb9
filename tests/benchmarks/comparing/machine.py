"""What a figure was measured on, and by which code."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from roadcraft.core import __version__

PACKAGES = ("numpy", "numba", "torch", "torch-geometric")


def machine() -> dict[str, Any]:
    """Processor, cores, Python and the load at this moment."""
    model = platform.processor()
    if (info := Path("/proc/cpuinfo")).is_file():
        model = next((v.split(":")[1].strip() for v in info.read_text().splitlines() if "model name" in v), model)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else -1.0
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "load": load}


def gpu() -> str:
    """Name of the graphics card that torch would train on, or empty."""
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""


def provenance() -> dict[str, Any]:
    """Machine, graphics card, versions and commit: what stands beside every measured part of a row."""
    versions = {"roadcraft": __version__}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"machine": machine(), "gpu": gpu(), "versions": versions, "commit": commit()}


def commit() -> str:
    """The checkout's commit, with ``+`` where files differ from it; empty outside a checkout."""
    here = Path(__file__).parent
    try:
        words = (["git", "rev-parse", "HEAD"], ["git", "status", "--porcelain", "--untracked-files=no"])
        head, changes = (subprocess.run(w, cwd=here, capture_output=True, text=True, timeout=20) for w in words)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return head.stdout.strip() + ("+" if changes.stdout.strip() else "") if head.returncode == 0 else ""
