"""Tables of several maps one after the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import given, strategies as st
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, offsets_of
from roadcraft.core.data.joined import joined


class Graph(NamedTuple):
    """Nodes with lists of nodes, and numbers of these lists; -1 for none."""

    weight: F64
    first: I64
    node: NDArray[np.int32]
    chosen: NDArray[np.int32]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    lists = draw(st.lists(st.lists(st.integers(-1, 4), max_size=3), max_size=4))
    chosen = draw(st.lists(st.integers(-1, len(lists) - 1), max_size=3))
    node = [n for some in lists for n in some]
    return Graph(
        np.arange(5.0) + draw(st.integers(0, 99)), offsets_of([len(some) for some in lists]), np.array(node, np.int32),
        np.array(chosen, np.int32),
    )  # fmt: skip


def told(graph: Graph) -> list[list[float]]:
    """Of each chosen list the weights of its nodes, -1 for none."""
    weights = [-1.0 if n < 0 else float(graph.weight[n]) for n in graph.node]
    return [[] if c < 0 else weights[graph.first[c] : graph.first[c + 1]] for c in graph.chosen]


@given(st.lists(graphs(), min_size=1, max_size=4))
def test_numbers_of_rows_and_lists_lead_to_the_same_after_joining(parts: list[Graph]) -> None:
    whole = joined(parts, ("first",), {"node": "weight", "chosen": "first"})
    assert told(whole) == [some for part in parts for some in told(part)]
    assert [column.dtype for column in whole] == [column.dtype for column in parts[0]]
    assert len(whole.first) == 1 + sum(len(part.first) - 1 for part in parts)
