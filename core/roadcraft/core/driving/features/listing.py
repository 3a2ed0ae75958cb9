"""The feature groups as a table: what ``roadcraft features`` prints and the docs' page on features is made of."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from roadcraft.core.driving.features.group import FeatureGroup
from roadcraft.core.driving.features.spec import OURS, FeatureSpec
from roadcraft.core.plugins.registry import registry


def feature_rows(spec: FeatureSpec | None = None) -> list[dict[str, Any]]:
    """One entry per tensor, in the order in which groups are written.

    Args:
        spec: what a network asks for (``features()``, ``merge_specs``); None for all groups that are installed.

    Returns:
        group, provider, version (of the group), tensor, axes (names of settings, columns last), shape (sizes for one
        scene, without the batch; None where no spec is given), dtype, frame, meaning, target (whether training alone
        sees it), mirror (whether it has a mirror rule), and columns: a list of index, name, unit and meaning.
    """
    shown = spec or _everything()
    return [
        {
            "group": group,
            "provider": registry().find("feature", group).provider,
            "version": shown.providers[group].version,
            "tensor": name,
            "axes": [str(a) for a in tensor.shape],
            "shape": list(shown.arrays[name][0]) if spec is not None else None,
            "dtype": tensor.dtype,
            "frame": tensor.frame,
            "meaning": tensor.meaning,
            "target": not isinstance(shown.providers[group], FeatureGroup),
            "mirror": tensor.mirror is not None,
            "columns": [
                {"index": int(c), "name": c.name, "unit": c.unit, "meaning": c.meaning} for c in tensor.columns or ()
            ],
        }
        for name, (group, tensor) in shown.tensors.items()
    ]


def _everything() -> FeatureSpec:
    """All installed groups; of ours also the parts that are off unless asked for."""
    foreign: dict[str, Any] = {name: {} for name in registry().names("feature") if name not in OURS}
    return FeatureSpec(foreign, lane_links=1, raster_cells=1, instruction_words=1)


def feature_lines(rows: list[dict[str, Any]]) -> list[str]:
    """The entries as text: a heading per group, a line per tensor, a line per column."""
    out: list[str] = []
    group = ""
    for row in rows:
        if row["group"] != group:
            group = row["group"]
            use = " (targets: seen in training only)" if row["target"] else ""
            out += [
                "",
                f"{group}: {registry().find('feature', group).spec.summary} ({row['provider']}, version "
                f"{row['version']}){use}",
            ]
        out.append(f"  {row['tensor']}  ({_shape(row)})  {row['dtype']}{_frame(row)}: {row['meaning']}")
        for c in row["columns"]:
            out.append(f"      {c['index']:>2}  {c['name'].lower():<20} {c['unit']:<6} {c['meaning']}")
    return out[1:]


def _shape(row: Mapping[str, Any]) -> str:
    return ", ".join(map(str, row["shape"] if row["shape"] is not None else row["axes"]))


def _frame(row: Mapping[str, Any]) -> str:
    return f", frame {row['frame']}" if row["frame"] else ""


def size_of(rows: list[dict[str, Any]]) -> int:
    """Bytes of the tensors of one scene; targets are not counted."""
    import numpy as np

    return sum(prod(r["shape"]) * np.dtype(r["dtype"]).itemsize for r in rows if not r["target"])
