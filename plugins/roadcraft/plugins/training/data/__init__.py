"""From a store to batches: samples, order, balance, stream."""
