"""Public names of ``roadcraft.planners``, each with the module that it is loaded from on first use."""

from roadcraft.planners.learned.checkpoint import (
    CheckpointWarning as CheckpointWarning,
    load_checkpoint as load_checkpoint,
    read_config as read_config,
    read_metrics as read_metrics,
)
from roadcraft.planners.learned.checkpoint_writing import save_checkpoint as save_checkpoint
from roadcraft.planners.learned.network import Network as Network, build_network as build_network
