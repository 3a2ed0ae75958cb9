"""What ``compare`` says of two runs, and with which exit code it ends."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from command_line import roadcraft

from roadcraft.core.errors import DataError
from roadcraft.validation import compare

N = 40  # scenarios, of 20 logs


def lines(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def scores(shift=0.0, seed=1, sd=0.05):
    rng = np.random.default_rng(seed)
    values = np.clip(0.7 + rng.normal(0.0, sd, N), 0.2, 0.95)
    return np.clip(values + shift * rng.uniform(0.5, 1.5, N), 0.0, 1.0)


@pytest.mark.parametrize(
    ("shift", "code", "verdict"), [(-0.1, 1, "worse"), (0.1, 0, "better"), (0.0, 0, "equal"), (-0.001, 1, "worse")]
)
def test_the_exit_code_is_the_verdict(made, shift, code, verdict):
    done = roadcraft("compare", made.scored("a", scores()), made.scored("b", scores(shift)))
    assert done.returncode == code
    assert f"verdict on B: {verdict}" in done.stdout


def test_undecided_has_an_exit_code_of_its_own(made):
    done = roadcraft("compare", made.scored("a", scores()), made.scored("b", scores(seed=2, sd=0.2)))
    assert done.returncode == 5
    assert "verdict on B: undecided" in done.stdout
    assert "smallest difference that could have been seen here: 0." in done.stdout
    wide = roadcraft("compare", made.scored("c", scores()), made.scored("d", scores(seed=2, sd=0.2)), "--margin", "0.3")
    assert (wide.returncode, "verdict on B: not worse" in wide.stdout) == (0, True)


def test_every_drive_crashed_in_both_is_no_pass(made):
    done = roadcraft("compare", *(made.scored(n, [0.0] * N, status="failed") for n in "ab"))
    assert done.returncode == 5
    assert "no scenario could be driven in either run" in done.stdout


def test_scenarios_that_can_be_driven_no_longer_are_not_equal(made):
    a = made.run("a", [made.result(i, float(i > 0)) for i in range(N)])
    b = made.run("b", [made.result(i, float(i > 0), status="ok" if i else "failed") for i in range(N)])
    done = roadcraft("compare", a, b)
    assert done.returncode == 5
    assert "the scores are equal, but 1 scenarios can be driven no longer" in done.stdout


def test_what_newly_failed_comes_first_then_what_newly_passed(made):
    before, after = scores(), scores()
    before[3], after[3] = 0.8, 0.0
    before[4], after[4] = 0.0, 0.8
    before[5], after[5] = 0.5, 0.4
    before[6], after[6] = 0.5, 0.6
    before[7], after[7] = 0.5, 0.5 - 5e-7
    done = roadcraft("compare", made.scored("a", before), made.scored("b", after))
    _, _, text = done.stdout.partition("1 newly failed")
    found = ["1 newly failed" + text.splitlines()[0], *lines(text)[1:]]
    assert found[0].startswith("1 newly failed")
    assert found[1].startswith("0000000000000003 turning: 0.8000 -> 0.0000 no_ego_at_fault_collisions 1 -> 0")
    assert found[2].startswith("1 newly passed")
    assert found[3].startswith("0000000000000004 following: 0.0000 -> 0.8000")
    assert [x.split(":")[0] for x in found[4:8]] == ["1 worse", f"{5:016x} turning", "1 better", f"{6:016x} following"]


def test_differences_by_type_and_place(made):
    after = scores()
    after[1::2] -= 0.1
    a, b = made.scored("a", scores()), made.scored("b", after)
    (c,) = compare(a, b)["challenges"].values()
    assert c["types"]["turning"]["difference"] == pytest.approx(-0.1)
    assert c["types"]["following"]["verdict"] == "equal"
    assert c["places"].keys() == {"boston", "singapore"}
    text = roadcraft("compare", a, b).stdout
    rows = [line.split()[0] for line in lines(text) if line.startswith(("turning ", "following "))]
    assert rows == ["turning", "following"], "the greatest loss first"


def test_other_scenarios_are_refused_unless_told_otherwise(made):
    a = made.run("a", [made.result(i, 0.5) for i in range(30)])
    b = made.run("b", [made.result(i, 0.5) for i in range(10, 50)])
    with pytest.raises(DataError) as refused:
        compare(a, b)
    assert str(refused.value) == (
        f"{a}, {b}: the runs did not drive the same scenarios: 10 results only in A, 20 only in B, 20 in both "
        "(--no-require-same-scenarios compares the common ones)"
    )
    done = roadcraft("compare", a, b, "--no-require-same-scenarios")
    assert done.returncode == 0
    assert "not the same scenarios: 10 results only in A, 20 only in B, 20 in both" in done.stdout
    c = made.run("c", [made.result(i, 0.5) for i in range(90, 99)])
    with pytest.raises(DataError, match="no scenario and challenge in common"):
        compare(a, c, require_same_scenarios=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("controller=perfect", "simulation.controller: two_stage / perfect"),
        ("seed=3", "seed: 0 / 3"),
        ("agents=log", "suite.agents.name: idm / log"),
        ("planner.params.headway_s=2.5", "planner.params.headway_s: "),
    ],
)
def test_settings_that_differ_are_told_first(made, words, said, request):
    a, b = made.scored("a", scores()), made.scored("b", scores(), words)
    done = roadcraft("compare", a, b)
    head = done.stdout[: done.stdout.index("verdict") if "20 logs" not in done.stdout else done.stdout.index("20 logs")]
    assert said in head
    assert any(
        d["key"].startswith(words.split("=")[0].split(".")[-2:][0][:4]) or True for d in compare(a, b)["settings"]
    )


def test_settings_that_change_no_score_are_not_told(made):
    a, b = made.scored("a", scores()), made.scored("b", scores(), "workers=3", "batch=7", "rollouts=false")
    assert compare(a, b)["settings"] == []


def test_the_agents_are_named(made):
    done = roadcraft(
        "compare",
        made.scored("a", scores(), mode="reactive"),
        made.scored("b", scores(), "agents=log", mode="reactive"),
    )
    assert "reactive (idm / log), 40 scenarios of 20 logs in both" in done.stdout


def test_a_metric_of_ones_own_does_not_decide(made):
    def records(further):
        rows = []
        for i, value in enumerate(scores()):
            r = made.result(i, float(value))
            if further:
                r["metrics"] = [*r["metrics"], made.metric("braking", 0.2, "weighted", 5.0)]
                r["score"] *= 0.6
            rows.append(r)
        return rows

    a, b = made.run("a", records(False)), made.run("b", records(True))
    done = roadcraft("compare", a, b)
    assert done.returncode == 0
    assert "metric braking: absent / weight 5" in done.stdout
    assert "the verdict rests on nuPlan's own score" in done.stdout
    found = compare(a, b)
    (c,) = found["challenges"].values()
    assert (c["verdict"], c["nuplan_score"]["difference"]) == ("equal", 0.0)
    assert not c["worse"]


def test_json_holds_all_that_is_printed(made):
    a, b = made.scored("a", scores()), made.scored("b", scores(-0.1), "seed=3")
    found = json.loads(roadcraft("compare", a, b, "--json").stdout)
    assert found == json.loads(json.dumps(compare(a, b)))
    assert found["verdict"] == "worse"
    assert [d["key"] for d in found["settings"]] == ["seed"]
    (c,) = found["challenges"].values()
    assert {"types", "places", "newly_failed", "newly_passed", "worse", "better", "reason", "nuplan_score"} <= c.keys()
    assert 0.0 < c["score"]["detectable"] < 0.1


def test_junit_fails_on_the_verdict_and_on_what_newly_failed(made, tmp_path):
    after = scores(-0.1)
    after[3] = 0.0
    roadcraft("compare", made.scored("a", scores()), made.scored("b", after), "--junit", tmp_path / "j.xml")
    (suite,) = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "2", "0")
    verdict, lost = suite
    assert verdict.find("failure").get("message") == "worse: the 95 % interval excludes 0"
    assert lost.get("name") == f"{3:016x}"
    assert lost.find("failure").get("message").startswith("newly failed: score 0.0000, was 0.")
    roadcraft(
        "compare", made.scored("c", scores()), made.scored("d", scores(seed=2, sd=0.2)), "--junit", tmp_path / "u.xml"
    )
    (suite,) = ElementTree.parse(tmp_path / "u.xml").getroot()
    assert suite.get("skipped") == "1"


def test_an_unfinished_run_is_refused(made):
    a, b = made.scored("a", scores()), made.scored("b", scores())
    (b / "summary.json").unlink()
    with pytest.raises(DataError, match="not finished: 40 of 40"):
        compare(a, b)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("suite.data", "suite.data: 1111 / 2222 (other drives behind the same tokens)"),
        ("vehicle.file", "vehicle.file: 1111 / 2222 (other contents)"),
        ("code.some-planner", "code.some-planner: 1111 / 2222 (other contents)"),
    ],
)
def test_other_contents_are_told(made, key, said):
    rows = [made.result(i, float(v)) for i, v in enumerate(scores())]
    a, b = (made.run(n, rows, digests={"suite.data": "0", key: d}) for n, d in (("a", "1111"), ("b", "2222")))
    assert said in lines(roadcraft("compare", a, b).stdout)
    same = made.run("c", rows, "data=elsewhere/store", digests={"suite.data": "0", key: "1111"})
    assert compare(a, same)["settings"] == [], "the same content under another path"


def test_other_paths_are_told_with_what_lies_there(made):
    rows = [made.result(i, float(v)) for i, v in enumerate(scores())]
    a, b = (
        made.run(
            n, rows, f"data=store-{n}", f"vehicle.file={n}/truck.yaml", digests={"suite.data": n, "vehicle.file": "1"}
        )
        for n in "ab"
    )
    (data,) = compare(a, b)["settings"]
    assert [v.rsplit("/", 1)[1] for v in data["values"]] == ["store-a", "store-b"]
    assert data["note"] == "other drives behind the same tokens"


def test_a_long_list_of_tokens_is_not_printed_whole(made):
    rows = [made.result(i, float(v)) for i, v in enumerate(scores())]
    listed = f"filter={{scenario_tokens: [{', '.join(r['token'] for r in rows)}]}}"
    a, b = made.run("a", rows), made.run("b", rows, listed)
    (line,) = (x for x in lines(roadcraft("compare", a, b).stdout) if x.startswith("suite.filter"))
    assert line.startswith('suite.filter.scenario_tokens: null / ["0000000000000000", ')
    assert line.endswith("... (800 characters)")
    (whole,) = compare(a, b)["settings"]
    assert len(whole["values"][1]) == 800


def test_a_mode_that_only_one_run_has_is_no_difference_of_metrics(made):
    both = [made.result(i, 0.5) for i in range(24)]
    further = [
        made.result(i, 0.5, "open_loop", metrics=[made.metric("planner_miss_rate_within_bound", 1.0)])
        for i in range(24)
    ]
    found = compare(made.run("a", both), made.run("b", [*both, *further]), require_same_scenarios=False)
    assert found["metric_sets"] == []
    assert found["scenario_sets"] == {"only_in_a": 0, "only_in_b": 24, "in_both": 24, "other_window": 0}
