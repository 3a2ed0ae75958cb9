"""What a run's summary, its tables on the terminal, its gate and its JUnit file say."""

from __future__ import annotations

import io
import json
from xml.etree import ElementTree

import pytest
from rich.console import Console

from roadcraft.core.errors import ConfigError
from roadcraft.validation.config import ScoreConfig, SuiteConfig
from roadcraft.validation.scoring.folder import RunFolder
from roadcraft.validation.scoring.gate import Gate
from roadcraft.validation.scoring.junit import write_junit
from roadcraft.validation.scoring.present import print_summary
from roadcraft.validation.scoring.rescore import metric_refs
from roadcraft.validation.scoring.tables import moment, read_records

COLLISIONS = "no_ego_at_fault_collisions"
NONREACTIVE = "closed_loop_nonreactive_agents"


@pytest.fixture
def mixed(made):
    """Four drives: whole, a collision at 7.8 s, slow, one that could not be driven; ``headway`` is only reported."""
    hit = [[78, "hit a pedestrian with the front", "00000000000000aa"]]

    def metrics(collisions, progress, headway, events=()):
        stats = {"least_s": headway, "most_s": float("inf"), "who": "nobody"}
        return [
            made.metric(COLLISIONS, collisions, events=list(events)),
            made.metric("progress", progress, "weighted", 5.0),
            made.metric("headway", min(headway, 1.0), "report", stats=stats),
            made.metric("distance", None, "report", stats={"driven_m": 100.0 * progress}),
        ]

    return made.run(
        "mixed",
        [
            made.result(0, 1.0, metrics=metrics(1.0, 1.0, 0.5), timings={"plan_call_p50_s": 0.010,
            "plan_call_p99_s": 0.050}),
            made.result(1, 0.0, metrics=metrics(0.0, 1.0, 0.2, hit), timings={"plan_call_p50_s": 0.030,
            "plan_call_p99_s": 0.020}),
            made.result(2, 0.6, metrics=metrics(1.0, 0.6, 2.0)),
            made.result(3, 0.0, status="failed"),
        ],
    )  # fmt: skip


def test_a_summary_tells_how_metrics_count_and_what_they_measured(mixed):
    challenge = RunFolder(mixed).read_summary()["challenges"][NONREACTIVE]
    metrics = challenge["metrics"]
    assert {n: (m["role"], m["weight"], m["score"]) for n, m in metrics.items()} == {
        COLLISIONS: ("multiplier", 0.0, pytest.approx(2 / 3)),
        "progress": ("weighted", 5.0, pytest.approx(2.6 / 3)),
        "headway": ("report", 0.0, pytest.approx(1.7 / 3)),
        "distance": ("report", 0.0, None),
    }
    assert metrics["headway"]["stats"] == {
        "least_s": {"mean": pytest.approx(0.9), "min": 0.2, "max": 2.0, "scenarios": 3}
    }
    assert metrics["distance"]["stats"]["driven_m"]["max"] == 100.0
    assert challenge["latency"] == {"p50_s": pytest.approx(0.02), "p99_s": 0.05}


def test_nuplans_own_score_is_that_of_its_own_metrics(made):
    run = made.run("own", [made.result(0, 0.5, nuplan_score=0.9), made.result(1, 0.0, status="failed")])
    figures = RunFolder(run).read_summary()["challenges"][NONREACTIVE]
    assert (figures["score"], figures["nuplan_score"]) == (0.25, 0.9)
    assert [r["nuplan_score"] for r in read_records(RunFolder(run))] == [0.9, None]


def printed(run, width=120):
    text = io.StringIO()
    print_summary(RunFolder(run).read_summary(), Console(file=text, width=width))
    return text.getvalue()


def test_the_printed_table_marks_what_costs_nothing_and_tells_times_in_seconds(mixed):
    text = printed(mixed)
    assert "headway (only reported)" in text
    assert "distance" not in text
    assert "progress (" not in text
    assert (
        "non-reactive: a call of the planner (one for all scenarios of a batch) took p50 20.0 ms, p99 50.0 ms" in text
    )
    assert "failed: 0000000000000003 (turning), plan at 1.2 s: ValueError: no" in text
    assert "step" not in text


def test_reactive_agents_are_named(made):
    run = made.run("reactive", [made.result(i, 1.0, mode) for i in range(3) for mode in ("nonreactive", "reactive")])
    assert RunFolder(run).read_summary()["agents"] == "idm"
    assert "reactive (idm)" in printed(run)
    assert "non-reactive (" not in printed(run)


def test_steps_are_told_as_seconds():
    assert [moment(s, 0.1) for s in (78, 0, -1, None)] == ["7.8 s", "0.0 s", "", ""]


# ---- the gate ------------------------------------------------------------------------------------------------------


def reasons(run, **rules):
    return Gate(**rules).reasons(RunFolder(run).read_summary(), read_records(RunFolder(run)))


def test_a_gate_holds_a_run_back_for_its_score_or_for_a_metric(mixed):
    assert reasons(mixed) == []
    assert reasons(mixed, below=0.4) == []
    assert reasons(mixed, below=0.41) == [f"{NONREACTIVE}: the score is 0.4000, below 0.41"]
    assert reasons(mixed, metrics=(COLLISIONS,)) == [
        f"{COLLISIONS} is below 1 in 1 of 3 drives: 0000000000000001 ({NONREACTIVE})"
    ]
    assert reasons(mixed, metrics=("distance",)) == ["distance has a score in no drive"]


def test_a_gate_on_an_unknown_metric_is_refused_with_the_nearest():
    config = ScoreConfig(suite=SuiteConfig(data="x"))
    Gate(metrics=(COLLISIONS,)).check(config)
    with pytest.raises(ConfigError) as e:
        Gate(metrics=("no_ego_at_fault_colisions",)).check(config)
    assert str(e.value).startswith(
        f"--fail-on (command line): no metric 'no_ego_at_fault_colisions'; did you mean {COLLISIONS!r}? known: "
    )
    with pytest.raises(ConfigError, match=f"did you mean '{COLLISIONS}'"):
        Gate(metrics=("collision",)).check(config)


# ---- JUnit ---------------------------------------------------------------------------------------------------------


def junit(run, tmp_path, **rules):
    folder = RunFolder(run)
    write_junit(list(folder.records().values()), tmp_path / "j.xml", Gate(**rules), folder.read_summary())
    (suite,) = ElementTree.parse(tmp_path / "j.xml").getroot()
    return suite, {case.get("name"): case for case in suite}


def test_junit_carries_every_score_with_its_reasons(mixed, tmp_path):
    suite, cases = junit(mixed, tmp_path)
    assert {k: suite.get(k) for k in ("tests", "errors", "failures")} == {"tests": "4", "errors": "1", "failures": "1"}
    slow = cases["0000000000000002"]
    assert {p.get("name"): p.get("value") for p in slow.find("properties")} == {
        "score": "0.6000",
        "type": "following",
        "log": "log01",
    }
    assert slow.find("system-out").text == "progress: 0.6000", "what is only reported costs nothing"
    failure = cases["0000000000000001"].find("failure")
    assert failure.get("message") == "score 0"
    assert failure.text == (
        "no_ego_at_fault_collisions: 0.0000\n  7.8 s: hit a pedestrian with the front (object 00000000000000aa)"
    )
    error = cases["0000000000000003"].find("error")
    assert (error.get("message"), error.text) == ("plan at 1.2 s: ValueError: no", "Traceback: no")
    assert cases["0000000000000000"].find("system-out") is None


def test_junit_fails_by_the_rules_of_the_gate(mixed, tmp_path):
    suite, cases = junit(mixed, tmp_path, below=0.9, metrics=("progress",))
    assert (suite.get("tests"), suite.get("failures")) == ("5", "2")
    assert cases["overall score"].find("failure").get("message") == "the score is 0.4000, below 0.9"
    assert cases["0000000000000002"].find("failure").get("message") == "progress is 0.6000"
    assert cases["0000000000000001"].find("failure") is None, "its progress is 1"
    suite, cases = junit(mixed, tmp_path, below=0.3)
    assert (suite.get("failures"), cases["overall score"].find("failure")) == ("0", None)


# ---- settings of metrics on the command line -----------------------------------------


def test_settings_of_a_further_metric_are_given_beside_it():
    (one,) = metric_refs(["hard_braking"], ["bound_mps2=3.5"])
    assert (one.name, one.params) == ("hard_braking", {"bound_mps2": 3.5})
    two = metric_refs(["hard_braking", "ego_lat_jerk"], ["hard_braking.bound_mps2=3.5"])
    assert [m.params.get("bound_mps2") for m in two] == [3.5, None]
    assert metric_refs([], []) is None


@pytest.mark.parametrize(
    ("names", "word", "said"),
    [
        (["hard_braking"], "bound=3",
        r"metrics\[0\]\.params\.bound \(command line\): unknown key; did you mean 'bound_mps2'\?"),
        (["hard_braking", "ego_jerk"], "bound=3",
        r"'bound=3' \(command line\): a metric's setting is key=value, or NAME\.key=value, NAME one of hard_braking, "
        r"ego_jerk"),
        ([], "bound=3", r"'bound=3' \(command line\): .* NAME given by --metric"),
        (["hard_brakin"], "",
        r"metrics\[0\] \(command line\): no metric named 'hard_brakin'; did you mean 'hard_braking'\?"),
    ],
)  # fmt: skip
def test_wrong_settings_of_a_metric_are_told(names, word, said):
    with pytest.raises(ConfigError, match=said):
        metric_refs(names, [word] if word else [])


def test_json_of_a_summary_is_json(mixed):
    text = (mixed / "summary.json").read_text()
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name))["planner"] == "idm"
