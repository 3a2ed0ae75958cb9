"""The encoder ``bev_raster``."""
