"""Public names of ``roadcraft.validation.metrics``, each with the module that it is loaded from on first use."""

from roadcraft.core.data.rollout_context import RolloutContext as RolloutContext
from roadcraft.validation.metrics.common.aggregation import Entry as Entry, Table as Table, aggregate as aggregate
from roadcraft.validation.metrics.common.challenges import (
    CHALLENGE_METRICS as CHALLENGE_METRICS,
    FREIGHT_ROLES as FREIGHT_ROLES,
)
from roadcraft.validation.metrics.common.evaluation import (
    ScenarioResult as ScenarioResult,
    challenge_metrics as challenge_metrics,
    evaluate as evaluate,
    freight_metrics as freight_metrics,
    scenario_score as scenario_score,
)
