"""Results as a JUnit file, which continuous-integration servers show test by test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Et

from roadcraft.validation.scoring.tables import ordered


def write_junit(records: Sequence[Mapping[str, Any]], path: str | Path) -> None:
    """One suite per challenge, one case per scenario: an error where it could not be driven, a failure where it scores 0, with the reasons."""
    root = Et.Element("testsuites", name="roadcraft")
    for challenge in sorted({r["challenge"] for r in records}):
        rows = [r for r in ordered(records) if r["challenge"] == challenge]
        errors, zeros = (
            sum(r["status"] != "ok" for r in rows),
            sum(r["status"] == "ok" and r["score"] == 0.0 for r in rows),
        )
        suite = Et.SubElement(
            root,
            "testsuite",
            name=challenge,
            tests=str(len(rows)),
            errors=str(errors),
            failures=str(zeros),
            skipped="0",
        )
        for r in rows:
            seconds = sum(v for v in r.get("timings", {}).values() if v is not None)
            case = Et.SubElement(
                suite, "testcase", classname=f"{challenge}.{r['type']}", name=r["token"], time=f"{seconds:.3f}"
            )
            if r["status"] != "ok":
                fault = r.get("failure", {})
                note = Et.SubElement(
                    case,
                    "error",
                    message=_clean(f"step {fault.get('step')}, {fault.get('stage')}: {fault.get('error')}"),
                )
                note.text = _clean(fault.get("traceback", ""))
            elif r["score"] == 0.0:
                note = Et.SubElement(case, "failure", message="score 0")
                note.text = _clean("\n".join(reasons(r)))
    Et.indent(root)
    Et.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def reasons(record: Mapping[str, Any]) -> list[str]:
    """What cost a scenario its score, one line per event: metric, step, what, object."""
    lines = []
    for m in record["metrics"]:
        if m["score"] is not None and m["score"] < 1.0:
            lines.append(f"{m['name']}: {m['score']:.4f}")
            for step, what, object_id in m["events"]:
                lines.append(f"  step {step}: {what}" + (f" (object {object_id})" if object_id else ""))
    return lines


def _clean(text: str) -> str:
    """Without the control characters that XML forbids."""
    return "".join(c for c in text if c in "\t\n" or ord(c) >= 32)
