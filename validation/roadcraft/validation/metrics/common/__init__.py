"""What metrics share: context, events, evaluation, aggregation, settings."""
