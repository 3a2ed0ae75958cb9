"""The plugin system: hooks, registry, and packages to start from."""
