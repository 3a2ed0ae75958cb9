"""The closed loop as an environment for reinforcement learning: the simulator itself, stepped from outside."""
