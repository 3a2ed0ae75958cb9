"""Results as a JUnit file, which continuous-integration servers show test by test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Et

from roadcraft.core.files import write_atomic
from roadcraft.validation.scoring.gate import Gate
from roadcraft.validation.scoring.tables import moment, ordered

Record = Mapping[str, Any]


def write_junit(
    records: Sequence[Record], path: str | Path, gate: Gate | None = None, summary: Mapping[str, Any] | None = None
) -> None:
    """One suite per challenge, one case per scenario with score, type and log as properties and what cost it its score
    as output.

    An error where it could not be driven; a failure where the gate's metrics are below 1 (without a gate: where it
    scores 0). Where the gate asks for an overall score, one more case of the suite, ``overall score``, tells whether it
    is reached.
    """
    gate = gate or Gate()
    root = Et.Element("testsuites", name="roadcraft")
    for challenge in sorted({r["challenge"] for r in records}):
        rows = [r for r in ordered(records) if r["challenge"] == challenge]
        suite = Et.SubElement(root, "testsuite", name=challenge)
        if gate.below is not None and summary is not None:
            case = Et.SubElement(suite, "testcase", classname=challenge, name="overall score", time="0.000")
            if why := gate.overall(summary, challenge):
                Et.SubElement(case, "failure", message=why)
        for r in rows:
            _add_case(suite, r, gate)
        count = {name: str(len(suite.findall(f"testcase/{name}"))) for name in ("error", "failure")}
        suite.attrib |= {
            "tests": str(len(suite)),
            "errors": count["error"],
            "failures": count["failure"],
            "skipped": "0",
        }
    Et.indent(root)
    text = BytesIO()
    Et.ElementTree(root).write(text, encoding="utf-8", xml_declaration=True)
    write_atomic(Path(path), [text.getvalue()])


def _add_case(suite: Et.Element, r: Record, gate: Gate) -> None:
    seconds = sum(v for k, v in r["timings"].items() if v is not None and not k.startswith("plan_call"))
    case = Et.SubElement(
        suite, "testcase", classname=f"{r['challenge']}.{r['type']}", name=r["token"], time=f"{seconds:.3f}"
    )
    properties = Et.SubElement(case, "properties")
    for name, value in (("score", f"{r['score']:.4f}"), ("type", r["type"]), ("log", r["log"])):
        Et.SubElement(properties, "property", name=name, value=_clean(value))
    if r["status"] != "ok":
        fault = r["failure"]
        place = " at ".join(filter(None, [fault["stage"], moment(fault["step"], r["interval_s"])]))
        note = Et.SubElement(case, "error", message=_clean(f"{place}: {fault['error']}"))
        note.text = _clean(fault["traceback"])
    elif why := gate.scenario(r):
        note = Et.SubElement(case, "failure", message="; ".join(why))
        note.text = _clean("\n".join(reasons(r)))
    elif lost := reasons(r):
        Et.SubElement(case, "system-out").text = _clean("\n".join(lost))


def reasons(record: Record) -> list[str]:
    """What cost a scenario its score, one line per event: metric, when, what, object. Metrics that are only reported
    cost nothing."""
    lines = []
    for m in record["metrics"]:
        if m["score"] is not None and m["score"] < 1.0 and m["role"] != "report":
            lines.append(f"{m['name']}: {m['score']:.4f}")
            for step, what, object_id in m["events"]:
                said = ": ".join(filter(None, [moment(step, record["interval_s"]), what]))
                lines.append(f"  {said}" + (f" (object {object_id})" if object_id else ""))
    return lines


def _clean(text: str) -> str:
    """Without the control characters that XML forbids."""
    return "".join(c for c in text if c in "\t\n" or ord(c) >= 32)
