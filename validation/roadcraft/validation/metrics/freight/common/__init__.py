"""What metrics of heavy and articulated vehicles share: units, paths, lanes, outlines, thresholds."""
