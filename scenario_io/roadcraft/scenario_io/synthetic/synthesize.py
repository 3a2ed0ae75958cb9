"""Worlds by the dozen: in memory, or written as nuPlan logs and maps."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from roadcraft.core.cores import usable_cores
from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import Drive
from roadcraft.scenario_io.synthetic.config import (
    FREIGHT_LOADS,
    FREIGHT_VEHICLES,
    LOCATIONS,
    SITUATIONS,
    SynthConfig,
)
from roadcraft.scenario_io.synthetic.freight.density import TrafficDensity, density_of
from roadcraft.scenario_io.synthetic.recording.record import Identity
from roadcraft.scenario_io.synthetic.roads.assemble import Patch, build_map
from roadcraft.scenario_io.synthetic.world import (
    SyntheticWorld,
    make_world,
    map_version,
    own_map,
    place_patch,
    situation_of,
    start_us,
)
from roadcraft.scenario_io.workers import worker_pool

if TYPE_CHECKING:
    from roadcraft.scenario_io.synthetic.freight.world import FreightWorld


@dataclass(frozen=True)
class SynthReport:
    """What was written: logs and maps folders, worlds, tagged frames, worlds kept and draws needed per situation, all
    draws, seconds; of freight worlds, means over a situation's worlds of the vehicles per km and lane and of the share
    of trucks among them at the begin, where there is random traffic."""

    logs: str
    maps: str
    worlds: int
    tagged_frames: int
    situations: dict[str, int]
    drawn: dict[str, int]
    draws: int
    seconds: float
    density: dict[str, TrafficDensity] = field(default_factory=dict)


def synthesize(
    seed: int = 0, worlds: int = len(SITUATIONS), situations: tuple[str, ...] = (), locations: int = 4
) -> list[tuple[Drive, MapData]]:
    """``worlds`` drives of a seed, each with the map of its location, which holds the patches of all of them. Nothing
    is written.

    Raises ValueError for settings that make no sense (see SynthConfig).
    """
    config = SynthConfig(worlds=worlds, seed=seed, processes=1, situations=situations, locations=locations)
    made = [make_world(seed, k, config.situations or SITUATIONS, locations) for k in range(worlds)]
    maps = _maps([(w.location, w.patch) for w in made], seed)
    return [(w.drive, maps[w.location]) for w in made]


def synth(out: str | Path, config: SynthConfig, progress: Callable[[int, int], None] | None = None) -> SynthReport:
    """Write the worlds of ``config`` as ``out/splits/<split>/<log>.db`` and their maps under ``out/maps``.

    Every file depends on the settings only, never on ``processes``. ``progress`` is called with (worlds done, worlds).
    """
    from roadcraft.scenario_io.nuplan.map_writer import write_maps

    begin = time.monotonic()
    root = Path(out)
    folder = root / "splits" / config.split
    done: dict[int, _Made] = {}
    for made in _each(config, folder):
        done[made.number] = made
        if progress:
            progress(len(done), config.worlds)
    rows = [done[k] for k in sorted(done)]
    drawn: Counter[str] = Counter()
    for r in rows:
        drawn[r.situation] += r.attempts
    found: dict[str, list[TrafficDensity]] = {}
    for r in rows:
        if r.density is not None:
            found.setdefault(r.situation, []).append(r.density)
    density = {k: TrafficDensity(*(sum(x) / len(v) for x in zip(*v, strict=True))) for k, v in sorted(found.items())}
    maps = _maps([(r.location, r.patch) for r in rows], config.seed)
    write_maps(maps.values(), root / "maps")
    return SynthReport(
        str(folder), str(root / "maps"), len(rows), sum(r.tagged for r in rows),
        dict(sorted(Counter(r.situation for r in rows).items())), dict(sorted(drawn.items())), drawn.total(),
        time.monotonic() - begin, density,
    )  # fmt: skip


def world_of(config: SynthConfig, number: int) -> SyntheticWorld | FreightWorld:
    """World ``number`` of a configuration; depends on nothing else."""
    situations = config.situations or config.known
    if not config.suite:
        return make_world(config.seed, number, situations, config.locations, config.traffic)
    from roadcraft.scenario_io.synthetic.freight.world import VEHICLES, FreightDraw, make_freight_world

    situation = situation_of(config.seed, number, situations)
    location = list(LOCATIONS)[number % config.locations]
    name = f"freight_{config.seed}_{number:05d}_{situation}"
    who = Identity(name, config.seed, location, start_us(config.seed, number))
    trucks = config.vehicles or VEHICLES.get(situation, FREIGHT_VEHICLES), config.loads or FREIGHT_LOADS
    draw = FreightDraw(number, situation, *trucks, config.traffic)
    return make_freight_world(
        draw, who, lambda sketch, rng: place_patch(sketch, config.seed, number // config.locations, location, rng)
    )


@dataclass(frozen=True)
class _Made:
    """What comes back from a worker: all but the drive, which it has written."""

    number: int
    patch: Patch
    situation: str
    location: str
    attempts: int
    tagged: int
    density: TrafficDensity | None


def _make(config: SynthConfig, number: int, folder: Path) -> _Made:
    from roadcraft.scenario_io.nuplan.log_writer import write_drive

    w = world_of(config, number)
    write_drive(w.drive, own_map(w.patch, w.location, config.seed), folder / f"{w.drive.name}.db")
    density = None if isinstance(w, SyntheticWorld) else density_of(w.stage)
    return _Made(number, w.patch, w.situation, w.location, w.attempts, len(set(w.drive.tag_frame.tolist())), density)


def _each(config: SynthConfig, folder: Path) -> Iterator[_Made]:
    workers = min(config.processes or usable_cores(), config.worlds)
    if workers == 1:
        for k in range(config.worlds):
            yield _make(config, k, folder)
        return
    yield _make(config, 0, folder)  # compiles and caches the kernels before the workers need them
    with worker_pool(workers, str(folder)) as pool:
        for job in as_completed([pool.submit(_make, config, k, folder) for k in range(1, config.worlds)]):
            yield job.result()


def _maps(patches: list[tuple[str, Patch]], seed: int) -> dict[str, MapData]:
    found: dict[str, list[Patch]] = {}
    for location, patch in patches:
        found.setdefault(location, []).append(patch)
    return {
        name: build_map(name, map_version(seed), LOCATIONS[name], sorted(rows, key=lambda p: p.number))
        for name, rows in sorted(found.items())
    }
