"""Public names of ``roadcraft.core.testing``, each with the module that it is loaded from on first use."""

from roadcraft.core.testing.agents import AgentsConformance as AgentsConformance
from roadcraft.core.testing.command import CommandConformance as CommandConformance
from roadcraft.core.testing.encoder import EncoderConformance as EncoderConformance
from roadcraft.core.testing.feature import FeatureConformance as FeatureConformance
from roadcraft.core.testing.metric import MetricConformance as MetricConformance
from roadcraft.core.testing.model import ModelConformance as ModelConformance
from roadcraft.core.testing.motion import (
    TrackerConformance as TrackerConformance,
    VehicleModelConformance as VehicleModelConformance,
)
from roadcraft.core.testing.network import made_up_features as made_up_features
from roadcraft.core.testing.planner import PlannerConformance as PlannerConformance
from roadcraft.core.testing.recipe import RecipeConformance as RecipeConformance
from roadcraft.core.testing.source import SourceConformance as SourceConformance
from roadcraft.core.testing.world import (
    made_up_map as made_up_map,
    made_up_rollout as made_up_rollout,
    made_up_scenario as made_up_scenario,
    observe as observe,
)
