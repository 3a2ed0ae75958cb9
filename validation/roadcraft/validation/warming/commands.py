"""The verb ``warm``."""

from __future__ import annotations


def warm() -> None:
    """Compile the kernels that score, train and the demo need, on all cores, and keep them for later runs.

    It takes about a minute, once: where they are compiled already nothing is done. `make install` does it too. Exit
    code 4 where compiled kernels cannot be kept.
    """
    from roadcraft.core.kernels.warming import warm as run
    from roadcraft.validation.warming.parts import PARTS

    run(PARTS)
