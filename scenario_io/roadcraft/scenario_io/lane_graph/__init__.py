"""Lane graphs of log formats whose maps have lanes and links only: what they lack of a ``MapData`` is derived here."""
