"""How configurations are read: dataclasses with rules, filled from YAML and words; and what had another name before."""

from roadcraft.core.config.renamed import moved_names

__getattr__ = moved_names(__name__)  # load_config and path_field were defined here
