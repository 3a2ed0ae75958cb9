"""A third-party roadcraft package: the behavior model ``anchors``."""
