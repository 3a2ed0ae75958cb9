from roadcraft.core.testing import __SUITE__


class Test__CLASS__(__SUITE__):
    name = "__NAME__"
