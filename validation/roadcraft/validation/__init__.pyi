"""Public names of ``roadcraft.validation``, each with the module that it is loaded from on first use."""

from roadcraft.validation.agents.logged import (
    logged_objects as logged_objects,
    stack_objects as stack_objects,
)
from roadcraft.validation.comparing.compare import compare as compare
from roadcraft.validation.config import ScoreConfig as ScoreConfig, SimulationConfig as SimulationConfig
from roadcraft.validation.demonstration.run import demo as demo
from roadcraft.validation.demonstration.steps import Step as Step, run_steps as run_steps
from roadcraft.validation.environments.adapters import (
    check_vector_env as check_vector_env,
    gymnasium_vector as gymnasium_vector,
    parallel_env as parallel_env,
    register_gymnasium as register_gymnasium,
)
from roadcraft.validation.environments.batch_env import BatchEnv as BatchEnv, EnvState as EnvState
from roadcraft.validation.environments.config import (
    ActionConfig as ActionConfig,
    EnvironmentConfig as EnvironmentConfig,
)
from roadcraft.validation.environments.drive_facts import FACTS as FACTS
from roadcraft.validation.environments.drive_score import (
    RewardTrace as RewardTrace,
    running_reward as running_reward,
    running_score as running_score,
)
from roadcraft.validation.environments.observation import (
    FeatureObservation as FeatureObservation,
    FlatObservation as FlatObservation,
    ObservationWriter as ObservationWriter,
)
from roadcraft.validation.environments.reward_config import (
    CarlReward as CarlReward,
    GigaflowReward as GigaflowReward,
    PufferDriveReward as PufferDriveReward,
    RewardName as RewardName,
    RewardWeights as RewardWeights,
)
from roadcraft.validation.environments.rewards import Reward as Reward, RewardStep as RewardStep
from roadcraft.validation.environments.score_arrays import SCORE_PARTS as SCORE_PARTS
from roadcraft.validation.golden.run import conformance as conformance
from roadcraft.validation.inspection.show import describe_run as describe_run
from roadcraft.validation.metrics.common.aggregation import aggregate as aggregate
from roadcraft.validation.metrics.common.challenges import FREIGHT_ROLES as FREIGHT_ROLES
from roadcraft.validation.metrics.common.evaluation import (
    MetricError as MetricError,
    ScenarioResult as ScenarioResult,
    evaluate as evaluate,
    freight_metrics as freight_metrics,
)
from roadcraft.validation.reporting.write import report as report
from roadcraft.validation.scoring.junit import write_junit as write_junit
from roadcraft.validation.scoring.rescore import rescore as rescore
from roadcraft.validation.scoring.score import score as score
from roadcraft.validation.simulation.closed_loop import Failure as Failure
from roadcraft.validation.simulation.loop import simulate as simulate
from roadcraft.validation.simulation.observe import observe as observe
