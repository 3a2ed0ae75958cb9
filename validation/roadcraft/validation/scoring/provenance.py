"""What a run was made with, beside its configuration: digests of the files it names, of the drives behind its
scenarios, and of the code that drove them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from roadcraft.core.config.load import paths_of, plugins_of
from roadcraft.core.config.yaml_text import read_yaml
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.core.plugins.registry import Provided, registry
from roadcraft.scenario_io.store.store import Store
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.scoring.suites import SuiteScenario

DATA = "suite.data"
_CHECKPOINT = ("config.yaml", "model.safetensors")
_WHOLE = 1 << 30  # bytes up to which a file is read whole
_BLOCK, _BLOCKS, _LOG_BLOCKS = (
    1 << 16,
    1024,
    3,
)  # bytes of a block; blocks read of a longer file, and of each of many logs


def digests_of(config: ScoreConfig, source: ScenarioSource, items: Sequence[SuiteScenario]) -> dict[str, str]:
    """Digest of everything that a configuration only names, by dotted key: each path at any depth, ``suite.data`` (the
    drives and maps of these scenarios), ``code.roadcraft`` and ``code.<distribution>`` of every plugin from elsewhere.
    Raises DataError for what cannot be read."""
    named = paths_of(config)
    found = {k: path_digest(Path(p)) for k, p in named.items() if k != DATA}
    found[DATA] = (
        _drives(source, items) if isinstance(source, Store) else path_digest(Path(config.suite.data), 0, _LOG_BLOCKS)
    )
    used = [*plugins_of(config).values(), *_networks(named.values())]
    return dict(sorted({**found, **_code(used)}.items()))


def refuse_differences(before: Mapping[str, str], now: Mapping[str, str], where: Path, done: str) -> None:
    """Raise ConfigError that names every key whose digest differs, with both. done: what can therefore not be done."""
    keys = sorted(k for k in {*before, *now} if before.get(k) != now.get(k))
    if keys:
        lines = [f"  - {k}: began with {before.get(k, 'nothing')}, now {now.get(k, 'nothing')}" for k in keys]
        raise ConfigError(
            f"{where} {done}: what it was begun with has changed since (digests of the contents):\n"
            + "\n".join(lines)
            + "\nput the former files back, or score into another folder"
        )


def path_digest(path: Path, whole: int = _WHOLE, blocks: int = _BLOCKS) -> str:
    """16 hex digits over a file, or over all files of a folder and their names; of files of more than ``whole`` bytes,
    over their size and that many blocks, the first and the last among them."""
    if not path.exists():
        return "absent"  # which whoever needs it says better
    try:
        files = sorted(_files(path)) if path.is_dir() else [path]
        digest = blake2b(digest_size=8)
        for file in files:
            digest.update(f"{file.relative_to(path)}\n".encode() if file != path else b"\n")
            for block in _blocks(file, whole, blocks):
                digest.update(block)
    except OSError as e:
        raise DataError(f"cannot be read: {e.strerror or e}", where=str(e.filename or path)) from e
    return digest.hexdigest()


def _files(folder: Path) -> Iterable[Path]:
    """Files that count: of a checkpoint what drives, since its card and figures are written again when it is scored;
    else all but hidden ones."""
    driving = [folder / n for n in _CHECKPOINT]
    if all(p.is_file() for p in driving):
        yield from driving
        return
    for path in folder.rglob("*"):
        inner = path.relative_to(folder).parts
        if path.is_file() and not any(p.startswith(".") or p == "__pycache__" for p in inner):
            yield path


def _blocks(path: Path, whole: int, blocks: int) -> Iterable[bytes]:
    size = path.stat().st_size
    yield f"{size}\n".encode()
    with path.open("rb") as f:
        if size <= max(whole, blocks * _BLOCK):
            while block := f.read(1 << 22):
                yield block
            return
        for i in range(blocks):
            f.seek(i * (size - _BLOCK) // (blocks - 1))
            yield f.read(_BLOCK)


def _drives(store: Store, items: Sequence[SuiteScenario]) -> str:
    """From the store's index: checksums of the shards, and content hashes of the maps, of these scenarios' drives."""
    logs = sorted({i.row.log for i in items})
    lines = [f"{log}|{store.index.shards[e.shard].digest}|{e.map}" for log in logs for e in [store.entry(log)]]
    return blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


def _networks(paths: Iterable[str]) -> list[tuple[str, str]]:
    """The encoders and models of checkpoint folders among the paths: their code drives as well."""
    found = []
    for path in paths:
        try:
            tree: Any = read_yaml(Path(path) / "config.yaml")
            found += [(kind, tree[kind]["name"]) for kind in ("encoder", "model")]
        except (DataError, KeyError, TypeError):
            continue  # not a checkpoint, or a damaged one, which is told where it is loaded
    return found


def _code(used: Iterable[tuple[str, str]]) -> dict[str, str]:
    found = {"code.roadcraft": _own_code()}
    known = {(p.spec.kind, p.spec.name): p for p in registry().plugins()}
    for provided in (known[u] for u in sorted(set(used)) if u in known and not known[u].ours):
        key = f"code.{provided.provider}"
        found[key] = " ".join(sorted({*found.get(key, provided.version).split(" "), _package(provided)}))
    return found


@lru_cache(maxsize=1)
def _own_code() -> str:
    import roadcraft

    files: dict[str, Path] = {}
    for root in map(Path, roadcraft.__path__):  # of two that hold a module, the first is imported
        for path in root.rglob("*.py"):
            files.setdefault(str(path.relative_to(root)), path)
    digest = blake2b(digest_size=8)
    for name, path in sorted(files.items()):
        digest.update(name.encode() + b";" + blake2b(path.read_bytes(), digest_size=8).digest())
    return digest.hexdigest()


def _package(provided: Provided) -> str:
    """Digest of the sources of the package (or module) that a plugin is made of."""
    spec = find_spec(provided.spec.target.split(":")[0].split(".")[0])
    places = [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []
    if not places and spec is not None and spec.origin:
        places = [Path(spec.origin)]
    return "".join(path_digest(p) for p in places)
