"""The map's spatial index: polygons in the cells of a grid."""
