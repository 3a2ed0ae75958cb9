"""Waymo Open Motion: Scenario protos in TFRecords, read without TensorFlow."""
