"""What the ego was told: from when on it holds, what cannot be, and that a drive without is as before."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from roadcraft.core.arrays import from_arrays, to_arrays
from roadcraft.core.data.instructions import NO_INSTRUCTIONS, Instructions
from roadcraft.core.data.map import content_hash
from roadcraft.core.data.scenario import Drive
from roadcraft.core.errors import DataError
from roadcraft.core.testing import made_up_scenario


def told(*pairs: tuple[int, str]) -> Instructions:
    return Instructions(np.array([t for t, _ in pairs], np.int64), tuple(text for _, text in pairs))


@given(st.dictionaries(st.integers(0, 20), st.sampled_from(("", "a", "b")), max_size=4), st.integers(-1, 21))
def test_the_last_one_holds(words: dict[int, str], now: int) -> None:
    given_so_far = [text for t, text in sorted(words.items()) if t <= now]
    assert told(*sorted(words.items())).at(now) == ((given_so_far[-1] or None) if given_so_far else None)


def test_what_cannot_be_is_told() -> None:
    with pytest.raises(DataError, match=r"instructions: .*2 times|\(2,\) times for 1 texts"):
        Instructions(np.array([1, 2]), ("pull over",))
    with pytest.raises(DataError, match="number 1 is not later"):
        told((5, "pull over"), (5, "go on"))


def test_a_drive_keeps_them_and_one_without_is_as_before() -> None:
    drive = made_up_scenario().drive
    assert drive.instructions is NO_INSTRUCTIONS
    assert not [k for part in to_arrays(drive) for k in part if k.startswith("instructions")]
    assert pickle.loads(pickle.dumps(drive)).instructions is NO_INSTRUCTIONS
    other = replace(drive, instructions=told((7, "pull over")))
    assert content_hash(other) != content_hash(drive)
    back = from_arrays(Drive, *to_arrays(other))
    assert back.instructions.text == ("pull over",)
    assert back.instructions.time_us.tolist() == [7]
