"""What code a plugin is made of, since a version does not tell what was edited (standard library only)."""

from __future__ import annotations

from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

from roadcraft.core.plugins.registry import registry


def code_digest(kind: str, name: str) -> str:
    """16 hex digits of the source files of a plugin: those of the folder its target's module lies in and of the folders
    below, of a module outside any package that file alone. Raises PluginError where there is no such plugin; the digest
    of nothing where its sources are not files."""
    module = registry().find(kind, name).spec.target.partition(":")[0]
    spec, digest = find_spec(module), blake2b(digest_size=8)
    if spec is not None and spec.origin and spec.has_location:
        home = Path(spec.origin)
        packaged = "." in module or spec.submodule_search_locations
        for file in sorted(home.parent.rglob("*.py")) if packaged else [home]:
            digest.update(file.relative_to(home.parent).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
