"""Suites: what a filter names and the data lack is told before anything is driven; a token stands for one scenario."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from roadcraft.core.config.load import load_config
from roadcraft.core.errors import DataError
from roadcraft.scenario_io import Store
from roadcraft.scenario_io.filter_config import ScenarioFilter
from roadcraft.scenario_io.synthetic.freight.world import BUILDERS
from roadcraft.validation import score
from roadcraft.validation.config import ScoreConfig, SuiteConfig
from roadcraft.validation.scoring.suites import select_items


def run_score(out, store, **settings):
    return score(**{"planner": "constant_velocity", "data": str(store), "out": str(out), "debug": True, **settings})


@pytest.fixture(scope="module")
def tokens(small_store):
    return sorted(r.token for r in Store(small_store).iter_rows())


def test_names_that_the_data_lack_are_told_and_kept(tmp_path, small_store, tokens, capsys):
    done = run_score(tmp_path / "run", small_store, filter={"scenario_tokens": [tokens[0], "deadbeefdeadbeef"]})
    said = "warning: suite.filter.scenario_tokens: 1 of 2 is not in the data: deadbeefdeadbeef\n"
    assert capsys.readouterr().err == said
    assert len(done.records) == 1
    summary = json.loads((done.run / "summary.json").read_text())
    assert summary["missing"] == done.missing == {"scenario_tokens": ["deadbeefdeadbeef"]}


def test_a_run_can_be_told_to_refuse_them(tmp_path, small_store, tokens):
    with pytest.raises(DataError) as e:
        run_score(
            tmp_path / "run", small_store, filter={"scenario_tokens": [tokens[0], "dead"]}, suite={"missing": "refuse"}
        )
    assert str(e.value).endswith(
        f"{small_store}: suite.filter.scenario_tokens: 1 of 2 is not in the data: dead "
        "(suite.missing=report goes on with what there is)"
    )
    assert not (tmp_path / "run").exists()


def test_a_filter_that_lets_nothing_pass_says_where_the_last_one_went(tmp_path, small_store):
    with pytest.raises(DataError,
    match=r"8 scenarios; scenario_types leaves 0: "
    r"changing_lnae is not in the data, did you mean changing_lane\?"):  # fmt: skip
        run_score(tmp_path / "run", small_store, filter={"scenario_types": ["changing_lnae"]})


def test_agents_that_drive_nobody_are_told(tmp_path, small_store, tokens, capsys):
    run_score(tmp_path / "run", small_store, agents="log", scenario=tokens[0])
    assert capsys.readouterr().err == (
        "warning: suite.agents=log drives nobody: suite.modes is ['nonreactive'], without 'reactive'\n"
    )


def test_the_beginning_of_a_token_is_enough(small_store, tokens):
    suite, source = SuiteConfig(data=str(small_store)), Store(small_store)
    assert [i.row.token for i in select_items(suite, source, tokens[3][:10])] == [tokens[3]]
    with pytest.raises(DataError, match=r"no scenario 'ffff'"):
        select_items(suite, source, "ffff")
    common = next(t[:1] for t in tokens if sum(o.startswith(t[:1]) for o in tokens) > 1)
    with pytest.raises(DataError, match=rf"'{common}' begins \d tokens \({common}"):
        select_items(suite, source, common)


def test_a_scenario_keeps_the_type_that_the_filter_gives_it(small_store, tokens):
    suite = SuiteConfig(data=str(small_store), filter=ScenarioFilter(preset="mapped"))
    (whole,) = [i for i in select_items(suite, Store(small_store)) if i.row.token == tokens[3]]
    assert select_items(suite, Store(small_store), tokens[3]) == [whole]


def test_two_scenarios_of_one_token_are_refused(small_store, tokens):
    class Doubled(Store):
        def candidates(self, filter):
            rows = super().candidates(filter)
            return [*rows, replace(rows[0], log="copy")]

    with pytest.raises(DataError, match=r"token [0-9a-f]{16} stands for two scenarios, in logs .* and copy"):
        select_items(SuiteConfig(data=str(small_store)), Doubled(small_store))


@pytest.mark.parametrize("name", ["freight", "docking"])
def test_the_freight_suites_take_every_situation_that_is_made(name):
    docks = {"freight_dock_reverse"}
    file = Path(__file__).parents[2] / "suites" / f"{name}.yaml"
    config = load_config(ScoreConfig, [str(file)], short=ScoreConfig.SHORT).config
    every = {f"freight_{situation}" for situation in BUILDERS}
    assert set(config.suite.filter.scenario_types or ()) == (docks if name == "docking" else every - docks)
    assert (config.vehicle.of_log, config.score) == (True, "freight")
