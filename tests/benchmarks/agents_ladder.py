"""How believable agents are: ``python tests/benchmarks/agents_ladder.py STORE CHECKPOINT`` drives the same scenarios
with several agent policies and prints a table.

The ego drives as logged. The policies, from the log down: log; tokens (the checkpoint); idm; constant velocity; tokens
drawn at random, all alike. Of the road users of the first frame, moving kinds only: collided, the share that overlaps
another vehicle it did not overlap at the start (ego included); off road, the share of vehicle-frames beyond lanes and
junctions, of vehicles that started there; away, the mean distance from the log while the log has them (m); pace, the
mean speed (m/s).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from queries import overlap_matrix

from roadcraft.core.arrays import F64
from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import Objects, ObservationBatch, Rollout
from roadcraft.core.data.scenario import LAST_MOVING, ObjectKind, Scenario
from roadcraft.core.driving.geometry.boxes import ego_box
from roadcraft.core.driving.map_index.index import inside_any
from roadcraft.core.interfaces import AgentPolicy
from roadcraft.core.types import Keys
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.config import SuiteConfig
from roadcraft.validation.scoring.suites import open_data, select_items
from roadcraft.validation.simulation import simulate


class ConstantVelocity(AgentPolicy):
    """Everybody of the first frame keeps speed and heading; static objects stand."""

    def start(self, scenarios: Sequence[Scenario], vehicle: Vehicle, keys: Keys) -> tuple[list[Any], Objects]:
        state, objects = create("agents", "log").start(scenarios, vehicle, keys)
        return [(objects, b) for b in range(len(state))], objects

    def step(
        self, scenarios: Sequence[Scenario], obs: ObservationBatch, state: list[Any], keys: Keys
    ) -> tuple[list[Any], Objects]:
        first = state[0][0].select(np.array([b for _, b in state]))
        after = np.repeat((obs.iteration + 1) * obs.interval_s, np.diff(first.offsets))
        box = first.box.copy()
        box[:, :2] += first.velocity * after[:, None]
        moved = Objects(first.offsets, first.id, first.kind, first.vehicle, first.unit, box, first.velocity)
        return list(state), moved


@dataclass
class Tally:
    """Sums over scenarios."""

    users: int = 0
    collided: int = 0
    frames: int = 0
    off_road: int = 0
    away: float = 0.0
    seen: int = 0
    pace: float = 0.0
    moves: int = 0

    def add(self, rollout: Rollout) -> None:
        drive, scenario = rollout.drive, rollout.scenario
        on = scenario.map.index
        start = drive.objects.rows(0)
        first = drive.objects.track[start]
        moving = first[drive.tracks.kind[first] <= LAST_MOVING]
        touched: set[int] = set()
        before: set[tuple[int, int]] | None = None
        on_road: set[int] = set()
        for f in range(len(drive)):
            rows = drive.objects.rows(f)
            track, box, velocity = drive.objects.track[rows], drive.objects.box[rows], drive.objects.velocity[rows]
            mine = np.isin(track, moving)
            track, box, velocity = track[mine], box[mine], velocity[mine]
            pairs = self._touching(drive, track, box, ego_box(drive.ego[f], rollout.vehicle.box))
            before = pairs if before is None else before & pairs
            touched |= {a for pair in pairs - before for a in pair}
            cars = drive.tracks.kind[track] == ObjectKind.VEHICLE
            inside = inside_any(on.lanes, box[:, :2]) | inside_any(on.intersections, box[:, :2])
            if f == 0:
                on_road = set(track[cars & inside].tolist())
            judged = cars & np.isin(track, list(on_road))
            self.frames += int(judged.sum())
            self.off_road += int((judged & ~inside).sum())
            self._away(scenario, f, drive.tracks.id[track], box)
            self.pace += float(np.hypot(velocity[:, 0], velocity[:, 1]).sum())
            self.moves += len(track)
        self.users += len(moving)
        self.collided += len(touched - {-1})

    def _touching(self, drive: Any, track: Any, box: F64, ego: F64) -> set[tuple[int, int]]:
        """Pairs that overlap, of different vehicles, with a vehicle among them; -1 is the ego."""
        cars = drive.tracks.kind[track] == ObjectKind.VEHICLE
        other = drive.tracks.vehicle[track]
        hit = overlap_matrix(box, np.concatenate([box, ego[None]]))
        found = set()
        for i, j in np.argwhere(hit):
            if j == len(box):
                found.add((int(track[i]), -1))
            elif i < j and other[i] != other[j] and (cars[i] or cars[j]):
                found.add((int(track[i]), int(track[j])))
        return found

    def _away(self, scenario: Scenario, f: int, id: Any, box: F64) -> None:
        log = scenario.drive
        rows = log.objects.rows(int(scenario.frames[f]))
        known = log.tracks.id[log.objects.track[rows]]
        order = np.argsort(known)
        if not len(known):
            return
        at = order[np.minimum(np.searchsorted(known[order], id), len(known) - 1)]
        same = known[at] == id
        gap = log.objects.box[rows][at[same], :2] - box[same, :2]
        self.away += float(np.hypot(gap[:, 0], gap[:, 1]).sum())
        self.seen += int(same.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("checkpoint")
    parser.add_argument("--scenarios", type=int, default=20)
    options = parser.parse_args()
    suite = SuiteConfig(data=options.store)
    source = open_data(suite)
    items = select_items(suite, source)
    items = items[:: max(len(items) // options.scenarios, 1)][: options.scenarios]
    scenarios = [source.scenario(i.row, i.type, i.window_us) for i in items]
    tokens = {"checkpoint": options.checkpoint}
    ladder: dict[str, AgentPolicy] = {
        "log": create("agents", "log"),
        "tokens": create("agents", "tokens", tokens),
        "idm": create("agents", "idm"),
        "constant velocity": ConstantVelocity(),
        "tokens at random": create("agents", "tokens", {**tokens, "temperature": 1e6, "top_k": 10**6}),
    }
    print(f"{len(scenarios)} scenarios of {options.store}")
    print(f"{'agents':20}{'users':>8}{'collided':>10}{'off road':>10}{'away m':>9}{'pace':>7}")
    for name, policy in ladder.items():
        tally = Tally()
        for result in simulate(scenarios, create("planner", "log_replay"), agents=policy, debug=True):
            assert isinstance(result, Rollout)
            tally.add(result)
        t = tally
        print(
            f"{name:20}{t.users:8}{t.collided / max(t.users, 1):10.3f}{t.off_road / max(t.frames, 1):10.3f}"
            f"{t.away / max(t.seen, 1):9.2f}{t.pace / max(t.moves, 1):7.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
