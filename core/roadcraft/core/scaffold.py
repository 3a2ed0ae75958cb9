"""Writes a plugin package to start from (``roadcraft new``): complete, installable, tested."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from roadcraft.core.errors import ConfigError

_TEMPLATES = Path(__file__).parent / "templates"
_KINDS = {
    "planner": (
        "Keeps its direction and brakes gently",
        "    deceleration_mps2: float = 1.0",
        "PlannerConformance",
        "roadcraft score planner=__NAME__ data=PATH/TO/STORE",
    ),
    "metric": (
        "Share of time below a speed",
        "    bound_mps: float = 20.0",
        "MetricConformance",
        "roadcraft score planner=idm metrics=[__NAME__] data=PATH/TO/STORE",
    ),
    "encoder": (
        "Linear tokens, two attention layers",
        "    dim: int = 64",
        "EncoderConformance",
        "roadcraft train encoder=__NAME__ model=multimodal data=PATH/TO/STORE",
    ),
    "model": (
        "Several trajectories from the ego's token",
        "    modes: int = 6",
        "ModelConformance",
        "roadcraft train encoder=vector_transformer model=__NAME__ data=PATH/TO/STORE",
    ),
}


def write_package(kind: str, name: str, folder: Path) -> Path:
    """Write the package of a plugin into ``folder``, which must not exist yet. Raises ConfigError for a bad kind, name or folder."""
    if kind not in _KINDS:
        raise ConfigError(f"cannot write a {kind!r}; kinds: {', '.join(_KINDS)}")
    package = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", package) or keyword.iskeyword(package):
        raise ConfigError(f"{name!r} is not a usable name: lower-case letters, digits and _ , a letter first")
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is there already and not empty; choose another with --out")
    summary, config_fields, suite, use = _KINDS[kind]
    words = {
        "__FIELDS__": config_fields + "\n",
        "__SUMMARY__": summary,
        "__SUITE__": suite,
        "__USE__": use,
        "__KIND__": kind,
        "__CLASS__": "".join(part.capitalize() for part in package.split("_")),
        "__DIST__": f"roadcraft-{package.replace('_', '-')}",
        "__PACKAGE__": f"roadcraft_{package}",
        "__NAME__": package,
    }
    home = f"roadcraft_{package}"
    for source, target in {
        "common/pyproject.toml": "pyproject.toml",
        "common/README.md": "README.md",
        "common/plugin.py": f"{home}/plugin.py",
        f"{kind}/{kind}.py": f"{home}/{kind}.py",
        "common/test.py": f"tests/test_{package}.py",
    }.items():
        text = (_TEMPLATES / source).read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(word, value)
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / home / "__init__.py").write_text(f'"""The roadcraft {kind} {package!r}."""\n', encoding="utf-8")
    return folder
