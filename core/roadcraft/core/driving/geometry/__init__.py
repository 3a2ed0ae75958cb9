"""Plane geometry: angles, boxes, polygons, polylines, arc paths, corridors."""
