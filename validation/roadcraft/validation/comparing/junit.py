"""A comparison of two runs as a JUnit file: one suite per challenge, whose first case is the verdict."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Et

from roadcraft.core.files import write_atomic

_NOTES = {"worse": "failure", "undecided": "skipped"}


def write_comparison(comparison: Mapping[str, Any], path: str | Path) -> None:
    """Case ``verdict``: failed where B is worse, skipped where it is undecided. Then a case for each scenario that
    newly failed (a failure) or newly passed, with both scores."""
    root = Et.Element("testsuites", name="roadcraft compare")
    for challenge, c in comparison["challenges"].items():
        lost, gained = c["newly_failed"], c["newly_passed"]
        suite = Et.SubElement(
            root,
            "testsuite",
            name=challenge,
            tests=str(1 + len(lost) + len(gained)),
            errors="0",
            failures=str(len(lost) + (c["verdict"] == "worse")),
            skipped=str(int(c["verdict"] == "undecided")),
        )
        case = Et.SubElement(suite, "testcase", classname=challenge, name="verdict")
        figures = Et.SubElement(case, "properties")
        judged = c[comparison["basis"]]
        for name in ("a", "b", "difference", "ci", "scenarios", "logs"):
            Et.SubElement(figures, "property", name=name, value=str(judged[name]))
        if c["verdict"] in _NOTES:
            Et.SubElement(case, _NOTES[c["verdict"]], message=f"{c['verdict']}: {c['reason']}")
        for x in (*lost, *gained):
            case = Et.SubElement(suite, "testcase", classname=f"{challenge}.{x['type']}", name=x["token"])
            if x in lost:
                fate = "could not be driven" if "b" in x["failed"] else f"score {x['b']:.4f}"
                Et.SubElement(case, "failure", message=f"newly failed: {fate}, was {x['a']:.4f}")
    Et.indent(root)
    text = io.BytesIO()
    Et.ElementTree(root).write(text, encoding="utf-8", xml_declaration=True)
    write_atomic(Path(path), text.getvalue().decode())
