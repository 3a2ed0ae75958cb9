"""What a filter names that the data lack, and which field takes the last scenario away, in words."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from roadcraft.core.data.scenario import ScenarioRow
from roadcraft.scenario_io.filter_config import ScenarioFilter
from roadcraft.scenario_io.filter_survey import NAMED, missing_names, names_of, why_none
from roadcraft.scenario_io.filters import select


class Rows:
    """A source of rows alone."""

    def __init__(self, rows):
        self.rows = rows

    def iter_rows(self):
        return iter(self.rows)


BASE = ScenarioRow("0", (), "log_a", "val", "boston", "test", "none", 0, 50_000, 2, True)
ROWS = [
    replace(BASE, token="1fab", tags=("starting_left_turn",)),
    replace(BASE, token="2fab", tags=("changing_lane", "low_magnitude_speed")),
    replace(BASE, token="3fab", log="log_b", map_name="singapore", has_goal=False),
]
DATA = Rows(ROWS)


@pytest.mark.parametrize(
    ("filter", "said"),
    [
        ({"scenario_tokens": ("1fab", "deadbeef")},
        "suite.filter.scenario_tokens: 1 of 2 is not in the data: deadbeef"),
        ({"scenario_tokens": ("2f",)},
        "suite.filter.scenario_tokens: 1 of 1 is not in the data: 2f (did you mean 2fab?)"),
        ({"log_names": ("log_a", "log_q", "gone")},
        "suite.filter.log_names: 2 of 3 are not in the data: log_q (did you mean log_b?), gone"),
        ({"map_names": ("bostn",)}, "suite.filter.map_names: 1 of 1 is not in the data: bostn (did you mean boston?)"),
        ({"splits": ("test",)}, "suite.filter.splits: 1 of 1 is not in the data: test"),
        (
            {"scenario_types": ("starting_left_trun", "changing_lane")},
            "suite.filter.scenario_types: 1 of 2 is not in the data: starting_left_trun (did you mean "
            "starting_left_turn?)",
        ),
        ({"scenario_types": ("stopping_with_lead",)},
        "suite.filter.scenario_types: 1 of 1 is not in the data: stopping_with_lead"),
    ],
)  # fmt: skip
def test_what_the_data_lack_is_named(filter, said):
    (found,) = missing_names(DATA, ScenarioFilter(**filter))
    assert str(found) == said


def test_many_missing_names_are_counted():
    (found,) = missing_names(DATA, ScenarioFilter(scenario_tokens=tuple(f"{i:016x}" for i in range(600))))
    assert str(found).startswith("suite.filter.scenario_tokens: 600 of 600 are not in the data: 0000000000000000, ")
    assert str(found).endswith(", 0000000000000009 and 590 more")
    assert len(found.names) == 600


def test_a_presets_types_need_not_all_be_there():
    assert missing_names(DATA, ScenarioFilter(preset="val14")) == []


def test_tokens_of_a_file_are_asked_for_too(tmp_path):
    (tmp_path / "list.txt").write_text("1fab\nffff\n")
    (found,) = missing_names(DATA, ScenarioFilter(tokens_file=str(tmp_path / "list.txt")))
    assert found.names == ("ffff",)


@pytest.mark.parametrize(
    ("filter", "said"),
    [
        ({"scenario_types": ("left_trun",)},
        "3 scenarios; scenario_types leaves 0: left_trun is not in the data, did you mean starting_left_turn?"),
        ({"scenario_types": ("xyz",)},
        "3 scenarios; scenario_types leaves 0: they have changing_lane, low_magnitude_speed, starting_left_turn"),
        ({"map_names": ("singapore",), "scenario_types": ("changing_lane",)},
        "3 scenarios; map_names leaves 1; scenario_types leaves 0: types are asked for, and these have none (no tags, "
        "as Waymo's): leave scenario_types out"),
        ({"log_names": ("log_b",), "preset": "mapped"},
        "3 scenarios; log_names leaves 1; scenario_types of preset 'mapped' leaves 0: preset 'mapped' asks for "
        "nuPlan's types, and these have none (no tags, as Waymo's): leave the preset out"),
        ({"log_names": ("log_b",), "remove_invalid_goals": True},
        "3 scenarios; log_names leaves 1; remove_invalid_goals leaves 0: none of them has a mission goal"),
    ],
)  # fmt: skip
def test_the_field_that_takes_the_last_scenario_is_named(filter, said):
    assert why_none(DATA, ScenarioFilter(**filter)) == said


def test_smaller_samples_are_parts_of_larger_ones():
    rows = [replace(BASE, token=f"{i:016x}") for i in range(100)]
    tokens = [{s.row.token for s in select(rows, ScenarioFilter(sample=n))} for n in (1, 8, 20, 100, 200)]
    assert [len(t) for t in tokens] == [1, 8, 20, 100, 100]
    assert all(a <= b for a, b in pairwise(tokens))
    half = {s.row.token for s in select(rows[::2], ScenarioFilter(sample=20))}
    assert {t for t in tokens[2] if int(t, 16) % 2 == 0} <= half, "a scenario's place does not depend on the others"


def test_a_store_knows_its_names_from_its_index(tmp_path):
    from roadcraft.scenario_io import Store, StoreWriter
    from roadcraft.scenario_io.synthetic.synthesize import synthesize

    with StoreWriter(tmp_path / "store") as out:
        for drive, map_data in synthesize(11, 2, ("car_following",), locations=1):
            rows = [
                replace(r, log=drive.name, token=drive.name + r.token, anchor_us=int(drive.time_us[0])) for r in ROWS
            ]
            out.add(drive.name, drive, map_data, rows)
    store = Store(tmp_path / "store")
    assert names_of(store, "scenario_types") == {"starting_left_turn", "changing_lane", "low_magnitude_speed"}
    for key in NAMED:
        assert names_of(store, key) == names_of(Rows(list(store.iter_rows())), key)
