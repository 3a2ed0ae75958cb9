"""Scenario filters: hand-worked cases of nuPlan's rules, and properties that hold for any rows."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from roadcraft.core.arrays import Ragged
from roadcraft.core.config.load import load_config
from roadcraft.core.data.scenario import ScenarioRow, Scenes
from roadcraft.core.data.windows import cut
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.core.interfaces import ScenarioSource
from roadcraft.scenario_io.filter_config import ScenarioFilter
from roadcraft.scenario_io.filters import (
    displacement_m,
    find,
    preset_names,
    read_tokens,
    resolve,
    select,
    speed_edges,
    type_windows,
    window_of,
)


def row(i: int, *tags: str, at_s: float = 0.0, **other) -> ScenarioRow:
    base = ScenarioRow(f"{i:016x}", tags, "log", "val", "here", "test", "none", int(at_s * 1e6), 50_000, 2, True)
    return replace(base, **other)


def ids(chosen) -> list[int]:
    return [int(s.row.token, 16) for s in chosen]


def test_the_type_is_the_last_tag_that_survives():
    rows = [row(1, "a", "b"), row(2), row(3, "c")]
    assert [s.type for s in select(rows)] == ["b", "unknown", "c"]
    assert [(i, s.type) for i, s in zip([1], select(rows, ScenarioFilter(scenario_types=("a",))), strict=True)] == [
        (1, "a")
    ]
    assert ids(select(rows, ScenarioFilter(scenario_types=("unknown",)))) == []


def test_equal_spacing_takes_every_len_div_n_th():
    rows = [row(i, "a") for i in range(10)]
    assert ids(select(rows, ScenarioFilter(num_scenarios_per_type=4))) == [0, 2, 4, 6]
    assert ids(select(rows, ScenarioFilter(num_scenarios_per_type=6))) == [0, 1, 2, 3, 4, 5]
    assert ids(select(rows, ScenarioFilter(num_scenarios_per_type=99))) == list(range(10))


def test_the_total_drops_unknown_first():
    rows = [row(i) for i in range(90)] + [row(90 + i, "a") for i in range(5)] + [row(95 + i, "b") for i in range(5)]

    def kept(limit: float) -> dict[str, int]:
        out: dict[str, int] = {}
        for s in select(rows, ScenarioFilter(limit_total_scenarios=limit)):
            out[s.type] = out.get(s.type, 0) + 1
        return out

    assert kept(0.5) == {"unknown": 40, "a": 5, "b": 5}
    assert kept(10) == kept(0.1) == {"a": 5, "b": 5}
    assert kept(2) == {"a": 1, "b": 1}
    assert kept(1000) == {"unknown": 90, "a": 5, "b": 5}


def test_anchors_of_one_type_are_spaced_in_time():
    rows = [
        row(1, "a", at_s=0),
        row(2, "a", at_s=14.9),
        row(3, "b", at_s=1),
        row(4, "a", at_s=15),
        row(5, "a", at_s=29),
    ]
    assert ids(select(rows, ScenarioFilter(timestamp_threshold_s=15.0))) == [1, 3, 4]


def test_plain_lists():
    rows = [
        row(1, "a", split="train"),
        row(2, "a", log="x"),
        row(3, "a", map_name="there"),
        row(4, "a", has_goal=False),
    ]
    assert ids(select(rows, ScenarioFilter(splits=("val",), log_names=("log",), map_names=("here",)))) == [4]
    assert ids(select(rows, ScenarioFilter(remove_invalid_goals=True))) == [1, 2, 3]
    assert ids(select(rows, ScenarioFilter(scenario_tokens=(f"{3:016x}", "?")))) == [3]


def test_windows():
    assert len(type_windows().types) == 73
    anchored = row(1, at_s=100)
    assert window_of(anchored, "stationary") == (97_000_000, 112_000_000)
    assert window_of(anchored, "unknown") == (100_000_000, 120_000_000)
    assert window_of(replace(anchored, first_us=5, last_us=9), "stationary") == (5, 9)


def test_val14():
    f = resolve(ScenarioFilter(preset="val14"))
    assert len(f.scenario_types or ()) == 14
    assert (f.num_scenarios_per_type, f.timestamp_threshold_s, f.remove_invalid_goals, f.shuffle) == (
        100,
        15.0,
        True,
        False,
    )
    assert set(f.scenario_types or ()) <= set(type_windows().types)
    assert f.scenario_types == resolve(ScenarioFilter(preset="challenge")).scenario_types
    assert resolve(ScenarioFilter(preset="val14", num_scenarios_per_type=3)).num_scenarios_per_type == 3
    assert len(resolve(ScenarioFilter(preset="mapped")).scenario_types or ()) == 73
    assert resolve(ScenarioFilter(preset="all")).scenario_types is None
    assert preset_names() == ["all", "challenge", "mapped", "val14"]


def test_a_misspelt_preset_is_told():
    with pytest.raises(ConfigError, match=r"no preset 'vall14'; did you mean 'val14'\?"):
        select([], ScenarioFilter(preset="vall14"))
    with pytest.raises(ConfigError, match="no preset"):
        select([], ScenarioFilter(preset="../presets/all"))


def test_from_the_command_line():
    f = load_config(ScenarioFilter, ["preset=val14", "limit_total_scenarios=20", "scenario_types=[a,b]"]).config
    assert (f.preset, f.limit_total_scenarios, f.scenario_types) == ("val14", 20.0, ("a", "b"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_scenarios_per_type": 0},
        {"limit_total_scenarios": 0},
        {"limit_total_scenarios": 2.5},
        {"timestamp_threshold_s": -1},
        {"fraction_in_token_set_threshold": 2},
    ],
)
def test_senseless_values_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ScenarioFilter(**wrong)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.txt", "# mine\n1492e65004b65d05\n 1234567890123456 # two\n"),
        ("t.json", '["1492e65004b65d05", "1234567890123456"]'),
        ("t.yaml", "scenario_tokens:\n  - 1492e65004b65d05\n  - 1234567890123456\n"),
    ],
)
def test_token_files(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_tokens(tmp_path / name) == ("1492e65004b65d05", "1234567890123456")
    f = ScenarioFilter(tokens_file=str(tmp_path / name), scenario_tokens=("1234567890123456", "other"))
    assert ids(select([row(0x1492E65004B65D05), row(0x1234567890123456)], f)) == [0x1234567890123456]


@pytest.mark.parametrize("text", ["{", "a: 1", "- [1]"])
def test_bad_token_files(tmp_path, text):
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(DataError, match=r"t\.yaml"):
        read_tokens(tmp_path / "t.yaml")
    with pytest.raises(DataError, match=r"none\.txt"):
        read_tokens(tmp_path / "none.txt")


_ROWS = st.lists(
    st.builds(
        lambda i, tags, at, goal: row(i, *sorted(tags), at_s=at, has_goal=goal),
        st.integers(0, 2**60),
        st.sets(st.sampled_from("abc")),
        st.integers(0, 100),
        st.booleans(),
    ),
    max_size=40,
    unique_by=lambda r: r.token,
)


@settings(max_examples=60, deadline=None)
@given(_ROWS, st.integers(1, 9), st.integers(1, 30), st.floats(0, 20), st.booleans(), st.integers(0, 5))
def test_any_filter_keeps_its_promises(rows, per, limit, spacing, shuffle, seed):
    f = ScenarioFilter(
        scenario_types=("a", "b"), num_scenarios_per_type=per, limit_total_scenarios=limit,
        timestamp_threshold_s=spacing,
        remove_invalid_goals=True, shuffle=shuffle, seed=seed,
    )  # fmt: skip
    chosen = select(rows, f)
    assert chosen == select(rows, f)
    assert len(chosen) <= limit
    for s in chosen:
        assert s.row in rows
        assert s.row.has_goal
        assert s.type == max(t for t in s.row.tags if t in "ab")
    for t in "ab":
        times = sorted(s.row.anchor_us for s in chosen if s.type == t)
        assert len(times) <= per
        assert all(b * 1e-6 >= a * 1e-6 + spacing for a, b in pairwise(times))
    if not shuffle:
        assert [s.row.token for s in chosen] == sorted(s.row.token for s in chosen)


# ---- filters that look at the drives -------------------------------------------------


class OneDrive(ScenarioSource):
    name = "one"

    def __init__(self, drive, map_data, rows):
        self._all = drive, map_data, rows

    def logs(self):
        return [self._all[0].name]

    def rows(self, log):
        return self._all[2]

    def drive(self, log):
        return self._all[0]

    def map(self, log):
        return self._all[1]


@pytest.fixture
def accelerating(make_drive, make_map, make_rows):
    """Scenario 'a' stands, then starts in the middle of its window; 'b' drives at 5 m/s, and its route is farther
    on."""
    drive = make_drive(3)
    scenes = Scenes(np.array([0, 20]), Ragged.build([[71], [72]]), np.zeros((2, 3)), np.ones(2, bool), ("s0", "s1"))
    drive = replace(drive, scenes=scenes)
    t = 0.05 * np.arange(40)
    drive.ego[:] = 0.0
    drive.ego[:, 3] = np.where(t < 0.5, 0.0, 5.0)
    drive.ego[1:, 0] = np.cumsum(drive.ego[:-1, 3]) * 0.05
    drive.ego[:, :2] += np.floor(make_map(1).lanes.centerlines.points.min(0))
    return OneDrive(drive, make_map(1), make_rows(drive))


def test_what_the_ego_does(accelerating):
    source = accelerating
    a, b = (r.token for r in source.rows("log_3"))  # windows: frames 4..22 and 14..32
    everything = {s.row.token: cut(source.drive(""), source.map(""), s.row, s.type, s.window_us) for s in find(source)}
    assert displacement_m(everything[a]) == pytest.approx(3.0)
    assert displacement_m(everything[b]) == pytest.approx(4.5)

    def left(**f) -> set[str]:
        return {s.row.token for s in find(source, ScenarioFilter(**f))}

    assert left(ego_displacement_minimum_m=4.0) == {b}
    assert left(ego_start_speed_threshold=1.0) == {a}
    assert left(ego_start_speed_threshold=1.0, speed_noise_tolerance=6.0) == set()
    assert left(ego_stop_speed_threshold=1.0) == set()
    with pytest.raises(ConfigError, match="give select"):
        select(source.iter_rows(), ScenarioFilter(ego_displacement_minimum_m=4.0))


def test_near_route(accelerating):
    assert len(find(accelerating, ScenarioFilter(ego_route_radius=60.0))) == 2
    assert [s.type for s in find(accelerating, ScenarioFilter(ego_route_radius=10.0))] == [
        "a"
    ]  # b's route is farther on
    accelerating.drive("").ego[:, 1] += 500.0
    assert find(accelerating, ScenarioFilter(ego_route_radius=10.0)) == []


def test_share_of_listed_frames(accelerating, tmp_path):
    drive = accelerating.drive("")
    path = tmp_path / "set.json"
    path.write_text(json.dumps([f"{int(t):016x}" for t in drive.token[4:23:2]]))

    def left(share: float) -> list[str]:
        f = ScenarioFilter(token_set_path=str(path), fraction_in_token_set_threshold=share)
        return [s.type for s in find(accelerating, f)]

    assert left(1.0) == ["a"]
    assert sorted(left(0.4)) == ["a", "b"]
    assert left(0.5) == ["a"]
    path.write_text("3")
    with pytest.raises(DataError, match="not a list of tokens"):
        left(0.5)


@pytest.mark.parametrize(
    ("speeds", "threshold", "noise", "want"),
    [
        ([0, 0.2, 0.4, 2], 0.5, 0.1, (True, False)),
        ([2, 0.5], 0.5, 0.1, (False, True)),
        ([0.45, 0.53], 0.5, 0.1, (False, False)),
        ([0.45, 0.53, 0.56], 0.5, 0.1, (True, False)),
        ([0, 1, 0], 0.5, 0.1, (True, True)),
        ([1, 1], 0.5, 0.1, (False, False)),
    ],
)
def test_speed_edges(speeds, threshold, noise, want):
    assert speed_edges(np.array(speeds, float), threshold, noise) == want
