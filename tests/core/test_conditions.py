"""Commands as word ids, and conditions as features."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from roadcraft.core.driving.features.build import allocate, build_features, layout_hash
from roadcraft.core.driving.features.conditions import (
    PHRASES,
    STYLES,
    UNKNOWN,
    VOCABULARY,
    WORDS,
    Conditions,
    Maneuver,
    read_instruction,
    word_ids,
    words_of,
)
from roadcraft.core.driving.features.scene import scenes_of
from roadcraft.core.testing.world import made_up_scenario, observe
from roadcraft.core.types import FeatureSpec

SPEC = FeatureSpec(agents=4, static=2, lanes=4, lane_points=10, route_lanes=0, crosswalks=1, instruction_words=8)


def test_every_wording_is_in_the_vocabulary_and_fits() -> None:
    assert len(set(VOCABULARY)) == len(VOCABULARY) == WORDS - 2
    assert set(PHRASES) == set(Maneuver)
    for phrases in PHRASES.values():
        assert len(phrases) == len(set(phrases)) >= 6
        for phrase in phrases:
            assert UNKNOWN not in word_ids(phrase), phrase
            assert len(words_of(phrase)) <= 8, phrase
    every = [p for phrases in PHRASES.values() for p in phrases]
    assert len(every) == len(set(every)), "no wording stands for two manoeuvres"


def test_ids_never_move() -> None:
    """A checkpoint's words are known by their place: words may be appended, never inserted."""
    assert word_ids("a change to the left lane") == [2, 15, 93, 89, 49, 46]
    assert word_ids("accelerate or stop the same way") == [3, UNKNOWN, 84, 89, 111, 101]


def test_case_and_punctuation_do_not_matter() -> None:
    plain = read_instruction("turn left at the junction", 8)
    assert read_instruction("  Turn LEFT, at the junction!", 8) == plain
    assert read_instruction("turn-left at the jünction", 8) == plain
    assert read_instruction("don't change lanes", 8) == read_instruction("do not change lanes", 8)
    assert read_instruction("", 3) == (0, 0, 0)


def test_unknown_words_are_named_once() -> None:
    with pytest.warns(UserWarning, match="not in the vocabulary: supermarket.*change to the left lane"):
        ids = read_instruction("stop at the supermarket", 8)
    assert ids.count(UNKNOWN) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_instruction("stop at the supermarket", 8) == ids
    with pytest.warns(UserWarning, match="first 3 words"):
        assert len(read_instruction("turn left at the next junction", 3)) == 3


def test_conditions_go_over_each_other() -> None:
    seen = Conditions("stop", (1.0, 2.0, 3.0))
    told = seen.merged_with(Conditions("turn left", target_speed_mps=0.0, style="calm"))
    assert told == Conditions("turn left", (1.0, 2.0, 3.0), 0.0, "calm")
    assert seen.merged_with(Conditions()) == seen
    with pytest.raises(ValueError, match="style"):
        Conditions(style="wild")
    with pytest.raises(ValueError, match="negative"):
        Conditions(target_speed_mps=-1.0)


def test_an_observation_s_conditions_become_features() -> None:
    obs: Any = observe([made_up_scenario("1" * 16), made_up_scenario("2" * 16)], 30)
    ego = obs.ego[:, :3]
    goal = ego.copy()
    goal[:, 0] += 10.0 * np.cos(ego[:, 2])
    goal[:, 1] += 10.0 * np.sin(ego[:, 2])
    obs = replace(obs, instruction=("Stop!", None), goal=goal, has_goal=np.array([True, False]))
    f = build_features(SPEC, scenes_of(obs, SPEC, Conditions(target_speed_mps=7.0, style="assertive")))
    np.testing.assert_array_equal(f["instruction"], [read_instruction("stop", 8), [0] * 8])
    np.testing.assert_allclose(f["goal"][0], [10.0, 0.0, 1.0, 0.0], atol=1e-5)
    assert f["goal_valid"].tolist() == [True, False]
    assert f["goal"][1].tolist() == [0.0] * 4
    assert f["target_speed"].tolist() == [[7.0], [7.0]]
    assert f["target_speed_valid"].all()
    assert f["style"].tolist() == [STYLES.index("assertive")] * 2
    over = build_features(SPEC, scenes_of(obs, SPEC, Conditions("keep lane")))
    assert (over["instruction"] == read_instruction("keep lane", 8)).all()


def test_without_words_there_is_nothing() -> None:
    none = replace(SPEC, instruction_words=0)
    assert not {"instruction", "goal", "style"} & allocate(none, 1).keys()
    assert layout_hash(none) != layout_hash(SPEC)
