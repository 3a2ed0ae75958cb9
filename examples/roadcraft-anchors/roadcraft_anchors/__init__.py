"""A third-party roadcraft package: the behaviour model ``anchors``."""
