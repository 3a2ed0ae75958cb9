"""What ``show`` lists of a run, and how it says why a scenario scored as it did."""

from __future__ import annotations

import json
import shlex

import pytest
import yaml
from command_line import roadcraft

from roadcraft.core.config.load import load_config
from roadcraft.core.errors import ConfigError, DataError
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.inspection.show import describe_run, describe_scenario, token_list


@pytest.fixture
def run(made):
    def rows(mode, shift):
        found = [made.result(i, min(1.0, i / 10 + shift), mode) for i in range(12)]
        found[3]["metrics"] = [
            made.metric("no_ego_at_fault_collisions", 0.0, events=[[78, "hit a vehicle with the front", f"{7:016x}"]]),
            made.metric("speed_limit_compliance", 0.5, "weighted", 4.0, stats={"max_over_speeding": 1.25}),
            made.metric("headway", 0.1, "report", stats={"headway_s": 0.8}),
            made.metric("ego_progress_along_expert_route", 1.0, "weighted", 5.0),
        ]
        return found

    failed = [made.result(12, 0.0, mode, status="failed") for mode in ("nonreactive", "reactive")]
    return made.run("run", [*rows("nonreactive", 0.05), *rows("reactive", 0.0), *failed])


@pytest.mark.parametrize("name", ["nonreactive", "non-reactive", "closed_loop_nonreactive_agents"])
def test_a_challenge_goes_by_each_of_its_names(run, name):
    found = describe_run(run, challenge=name, limit=0)
    assert {x["challenge"] for x in found["scenarios"]} == {"closed_loop_nonreactive_agents"}
    assert found["count"] == 13
    assert describe_run(run, challenge="reactive")["count"] == 13


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--challenge", "reactve"),
            "--challenge reactve (command line): did you mean 'reactive'? this run has nonreactive, reactive",
        ),
        (("--challenge", "open_loop"), "--challenge open_loop (command line): this run has nonreactive, reactive"),
        (
            ("--type", "folowing"),
            "--type folowing (command line): did you mean 'following'? this run has following, turning",
        ),
        (
            ("--location", "bostn"),
            "--location bostn (command line): did you mean 'boston'? this run has boston, singapore",
        ),
        (("--metric", "headwy"), "--metric headwy (command line): did you mean 'headway'? this run has "),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(run, words, said):
    with pytest.raises(ConfigError) as refused:
        describe_run(run, **{words[0].strip("-"): words[1]})
    assert str(refused.value).startswith(said)


def test_type_and_location_filter_by_name_or_part_of_it(run):
    assert {x["type"] for x in describe_run(run, type="turn")["scenarios"]} == {"turning"}
    assert {x["map"] for x in describe_run(run, location="singapore")["scenarios"]} == {"singapore"}


def test_a_run_is_shown_with_its_table_of_scores(run):
    text = roadcraft("show", run).stdout
    assert "idm: 13 scenarios of 7 logs" in text
    assert "26 results, worst first" in text
    listed = roadcraft("show", run, "--below", "0.3").stdout
    assert "13 scenarios of 7 logs" not in listed
    assert "results, worst first" in listed


def test_only_metrics_that_cost_are_blamed_and_no_name_is_cut(run):
    lines = roadcraft("show", run, "--limit", "0").stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(f"{3:016x}"))
    assert lines[at].split() == [f"{3:016x}", "0.3000", "reactive", "turning,", "singapore"]
    assert lines[at + 1] == "    lost by no_ego_at_fault_collisions 0, speed_limit_compliance 0.5"
    gone = next(i for i, line in enumerate(lines) if line.startswith(f"{12:016x}"))
    assert lines[gone + 1] == "    it could not be driven"


def test_a_scenario_is_told_in_seconds_under_headings_with_roles_and_values(run):
    done = roadcraft("show", run, f"{3:016x}", "--challenge", "reactive")
    text = done.stdout.splitlines()
    assert text[0] == f"{3:016x} (turning) of log01, singapore"
    assert "reactive (idm): score 0.3000, 10.0 s driven" in text
    events, counted, reported = (
        text.index(h) for h in ("what happened", "metrics that count", "metrics that are only reported")
    )
    assert text[events + 1] == (f"   7.8 s  no_ego_at_fault_collisions: hit a vehicle with the front, object {7:016x}")
    assert text[events + 2].startswith("  for whom it waited and how hard it hit is not known: ")
    assert "this run did not keep its rollouts (score again with rollouts=true)" in text[events + 2]
    assert text[counted + 1 : reported] == [
        "  0.0000  no_ego_at_fault_collisions (multiplier)",
        "  1.0000  ego_progress_along_expert_route (weight 5)",
        "  0.5000  speed_limit_compliance (weight 4)",
        "          max_over_speeding 1.25",
    ]
    assert text[reported + 1 :] == ["  0.1000  headway", "          headway_s 0.8"]
    assert "step" not in done.stdout


def test_a_failure_is_told_with_its_moment_and_traceback(run):
    text = roadcraft("show", run, f"{12:016x}").stdout
    assert "score 0.0000, 10.0 s could not be driven" in text
    assert "failed at 1.2 s in plan: ValueError: no\nTraceback: no" in text


def test_a_token_goes_by_its_beginning_where_that_is_one(run):
    assert describe_scenario(run, f"{12:016x}"[:16])["token"] == f"{12:016x}"
    with pytest.raises(DataError, match=r"begins 13 tokens \(0000000000000000, "):
        describe_scenario(run, "000")
    with pytest.raises(DataError, match="no scenario 'zzz' in this run"):
        describe_scenario(run, "zzz")


def test_the_command_that_drives_it_again_names_the_mode(run):
    (one,) = describe_scenario(run, f"{3:016x}", challenge="reactive")["results"]
    assert one["command"] == (
        f"roadcraft score {run}/config.yaml scenario={3:016x} 'modes=[reactive]' --debug --out {run}-{3:016x}-reactive"
    )
    file, _, mode = shlex.split(one["command"])[2:5]
    assert load_config(ScoreConfig, [file, mode], short=ScoreConfig.SHORT).config.suite.modes == ("reactive",)


def test_tokens_make_a_suite_that_score_takes(run, tmp_path):
    done = roadcraft("show", run, "--below", "0.25", "--challenge", "reactive", "--tokens", "--limit", "1")
    bad = tmp_path / "bad.yaml"
    bad.write_text(done.stdout)
    config = load_config(ScoreConfig, [str(bad), "planner=log_replay"], short=ScoreConfig.SHORT).config
    assert config.planner.name == "log_replay"
    assert config.suite.filter.scenario_tokens == tuple(f"{i:016x}" for i in (0, 1, 2, 12))
    assert config.suite.modes == ("reactive",)
    assert config.out == ""
    assert config.suite.data.endswith("some/store")
    assert config.suite.data.startswith("/")
    failed = yaml.safe_load(token_list(run, describe_run(run, failed=True)))
    assert failed["suite"]["filter"]["scenario_tokens"] == [f"{12:016x}"]
    with pytest.raises(DataError, match="no result passes"):
        token_list(run, describe_run(run, below=-1.0))


def test_json_holds_events_waits_and_the_command(run):
    found = json.loads(roadcraft("show", run, f"{3:016x}", "--json").stdout)
    (first, _) = found["results"]
    assert {"events", "waits", "kept", "command", "seconds", "title"} <= first.keys()
    assert first["events"][0]["seconds"] == pytest.approx(7.8)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--verify",), "--verify (command line): without effect here, RUN is a run"),
        (
            (f"{3:016x}", "--below", "0.5", "--tokens"),
            "--below, --tokens (command line): without effect here, one scenario is asked for",
        ),
        ((f"{3:016x}", "--type", "turning"), "--type (command line): without effect here, one scenario is asked for"),
    ],
)
def test_an_option_without_effect_is_refused(run, words, said):
    refused = roadcraft("show", run, *words)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: " + said.replace("RUN", str(run)))


def test_a_store_is_shown_by_place_and_refuses_what_runs_have(small_store):
    place = json.loads(roadcraft("show", small_store, "--json", "--limit", "0").stdout)
    (only,) = (name.split(" (")[0] for name in place["maps"])
    there = roadcraft("show", small_store, "--location", only, "--json")
    assert there.returncode == 0
    assert only in there.stdout
    unknown = roadcraft("show", small_store, "--location", only[:-2])
    assert unknown.stderr.endswith(f"map_names: 1 of 1 is not in the data: {only[:-2]} (did you mean {only}?)\n")
    refused = roadcraft("show", small_store, "--below", "0.5")
    assert refused.stderr == f"error: --below (command line): without effect here, {small_store} is not a run\n"
