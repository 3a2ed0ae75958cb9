"""The store: drives and maps as safetensors shards, scenarios as rows of a Parquet index."""
