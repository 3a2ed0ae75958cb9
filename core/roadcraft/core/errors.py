"""The errors a user meets. Each message says what was wrong, where, and what would be right."""

from __future__ import annotations


class RoadcraftError(Exception):
    """Base of all errors that are meant for the person at the keyboard; the command line prints them without a
    traceback."""


class ConfigError(RoadcraftError):
    """One or more mistakes in a configuration; the message lists all of them."""


class DataError(RoadcraftError):
    """A log, map, store or checkpoint cannot be used.

    ``where`` names the file and the place in it (table, frame, token), ``remedy`` what would be right.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__(": ".join(p for p in (where, what) if p) + (f" ({remedy})" if remedy else ""))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_data_error, (type(self), self.what, self.where, self.remedy)


def _rebuild_data_error(cls: type[DataError], what: str, where: str, remedy: str) -> DataError:
    return cls(what, where=where, remedy=remedy)


class DiskError(DataError):
    """A file could not be written: the disk is full, or the folder refuses. Unlike a bad log it concerns everything
    that follows."""


class LoadError(DataError):
    """A scenario's data could not be loaded: no planner can answer for that."""


class ScenarioError(RoadcraftError):
    """One scenario could not be driven or judged, raised where the first such fault is asked for; its cause is what
    plugin code raised, if that is why."""


class PluginError(RoadcraftError):
    """A plugin is missing, ambiguous, broken or does not keep its contract."""
