"""The verbs of the core: plugins, new, features, vehicles, config; and shell completion."""
