from roadcraft.core.testing import MetricConformance, PlannerConformance


class TestCautious(PlannerConformance):
    name = "cautious"


class TestHardBraking(MetricConformance):
    name = "hard_braking"
