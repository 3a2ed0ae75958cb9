"""What a log, a map, a scenario, a plan and a rollout hold."""
