"""What ``show`` says of a store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from roadcraft.core.cli import main
from roadcraft.core.errors import DataError
from roadcraft.scenario_io import ScenarioFilter, Store, StoreWriter
from roadcraft.scenario_io.show import describe_store, print_description


@pytest.fixture(scope="module")
def store(tmp_path_factory, make_drive, make_map, make_rows) -> Path:
    path = tmp_path_factory.mktemp("show") / "s"
    with StoreWriter(path, spatial_index=False) as out:
        for i in range(3):
            drive = make_drive(i)
            out.add(
                f"key/{drive.name}",
                drive,
                make_map(i % 2),
                make_rows(drive, f"key/{drive.name}"),
                meta={"made": "here"},
            )
    return path


def test_the_whole(store, capsys):
    d = describe_store(store, logs=True, verify=True, limit=2)
    assert json.loads(json.dumps(d)) == d
    assert (d["kind"], d["drives"], d["frames"], d["scenarios"], d["types"]) == ("store", 3, 120, 6, {"a": 3, "b": 3})
    assert d["splits"] == {"val": 6}
    assert len(d["listed"]) == len(d["logs"]) == 2
    assert d["faults"] == []
    print_description(d)
    shown = capsys.readouterr().out
    assert "every file is as it was written" in shown
    assert d["listed"][0]["token"] in shown.replace("\n", "")


def test_a_filter(store):
    d = describe_store(
        store, filter=ScenarioFilter(scenario_types=("a",), log_names=("key/log_1", "key/log_2")), limit=0
    )
    assert d["filtered"] == {"scenarios": 2, "types": {"a": 2}}
    assert {x["log"] for x in d["listed"]} == {"key/log_1", "key/log_2"}


def test_one_scenario(store, capsys, make_drive, make_rows):
    row = make_rows(make_drive(1))[0]
    d = describe_store(store, row.token)
    assert (d["kind"], d["token"], d["type"], d["log"], d["iterations"]) == (
        "scenario",
        row.token,
        "a",
        "key/log_1",
        10,
    )
    assert d["route_blocks"] == [71, 90]
    print_description(d)
    assert row.token in capsys.readouterr().out


@pytest.mark.parametrize("name", ["key/log_2", "log_2"])
def test_one_drive(store, name):
    d = describe_store(store, name)
    assert (d["kind"], d["log"], d["name"], d["frames"], d["scenarios"], d["meta"]) == (
        "drive",
        "key/log_2",
        "log_2",
        40,
        2,
        {"made": "here"},
    )
    assert d["tags"] == {"a": 1, "b": 1}


def test_one_map(store, make_map):
    d = describe_store(store, make_map(1).content_hash[:8])
    assert (d["kind"], d["hash"], d["lanes"], d["connectors"], d["areas"]) == (
        "map",
        make_map(1).content_hash,
        4,
        2,
        {
            "road_segment": 2,
            "intersection": 1,
            "crosswalk": 1,
            "walkway": 1,
            "carpark": 1,
            "generic_drivable": 1,
            "stop": 3,
            "speed_bump": 1,
        },
    )


def test_an_unknown_name_is_told(store, tmp_path):
    with pytest.raises(DataError, match="no scenario 'nothing'"):
        describe_store(store, "nothing")
    with pytest.raises(DataError, match="no such folder"):
        describe_store(tmp_path / "x")


def test_verify_ends_with_four_where_a_file_is_damaged(store, capsys):
    path = sorted((store / "maps").iterdir())[0]
    kept = path.read_bytes()
    path.write_bytes(kept[:-64] + bytes(64))
    for words, code in ((["--verify"], 4), ([path.stem[:8]], 4), ([], None)):
        with pytest.raises(SystemExit) as e:
            main(["show", str(store), *words])
        assert (e.value.code or None) == code
        out, err = capsys.readouterr()
        if code:
            assert path.name in (out + err).replace("\n", "")
            assert "Traceback" not in err
    path.write_bytes(kept)


def test_damage_is_shown(store, capsys):
    path = next((store / "drives").iterdir())
    kept = path.read_bytes()
    path.write_bytes(kept[:-1])
    d = describe_store(store, verify=True)
    path.write_bytes(kept)
    assert len(d["faults"]) == 1
    print_description(d)
    assert path.name in capsys.readouterr().out.replace("\n", "")
    assert Store(store).verify() == []


def test_drives_that_no_index_file_names_are_told(store, capsys):
    (index,) = (store / "index").iterdir()
    kept = index.read_bytes()
    index.unlink()
    with pytest.raises(SystemExit) as e:
        main(["show", str(store), "--verify"])
    index.write_bytes(kept)
    assert e.value.code == 4
    said = " ".join(capsys.readouterr().out.split())
    assert "no index file names it, so its drives are not found" in said
    assert Store(store).verify() == []
