"""Public names of ``roadcraft.plugins``, each with the module that it is loaded from on first use."""

from roadcraft.plugins.bev_raster.picture import draw_raster as draw_raster
from roadcraft.plugins.training.config import (
    AugmentConfig as AugmentConfig,
    StartConfig as StartConfig,
    TrainConfig as TrainConfig,
)
from roadcraft.plugins.training.data.samples import (
    SampleBuilder as SampleBuilder,
    SampleSet as SampleSet,
    samples_of as samples_of,
)
from roadcraft.plugins.training.recipes.adamw_cosine import AdamWCosine as AdamWCosine
from roadcraft.plugins.training.recipes.config import AdamWCosineConfig as AdamWCosineConfig
from roadcraft.plugins.training.run.fit import train as train
from roadcraft.plugins.training.run.module import displacement_errors as displacement_errors
