"""The message modules of the official Waymo package, without what its metadata would pull in."""

from __future__ import annotations

from typing import Any

from roadcraft.core.errors import DataError

INSTALL = "pip install --no-deps waymo-open-dataset-tf-2-12-0==1.6.7"


def scenario_class() -> Any:
    """The class of the Scenario message. Raises DataError with the install command where a package is missing."""
    try:
        import google.protobuf  # noqa: F401
    except ImportError as e:
        raise DataError("Waymo Motion needs the package protobuf", remedy='pip install "roadcraft[womd]"') from e
    try:
        from waymo_open_dataset.protos import scenario_pb2
    except ImportError as e:
        raise DataError("the Waymo message modules are not installed", remedy=INSTALL) from e
    return getattr(scenario_pb2, "Scenario")  # noqa: B009 - made at run time, unknown to type checkers


def parse(data: bytes) -> Any:
    """A Scenario message. Raises ValueError where the bytes are none."""
    from google.protobuf.message import DecodeError

    try:
        return scenario_class().FromString(data)
    except DecodeError as e:
        raise ValueError(f"not a Scenario message: {e}") from e
