"""Notebooks of ``examples/notebooks`` run from the first cell to the last, and print what is stored in them."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "examples" / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_cell_prints_what_is_stored(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl  # takes long: only where it is needed
    from matplotlib import pyplot as plt

    monkeypatch.setattr(plt, "show", lambda: None)
    namespace: dict[str, Any] = {}
    with mpl.rc_context(rc={"backend": "agg"}):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                printed = io.StringIO()
                with redirect_stdout(printed):
                    exec(compile("".join(cell["source"]), f"{path.name}[{cell['id']}]", "exec"), namespace)
                stored = [line for out in cell["outputs"] if out["output_type"] == "stream" for line in out["text"]]
                assert printed.getvalue() == "".join(stored), f"{path.name}: cell {cell['id']}"
    plt.close("all")
