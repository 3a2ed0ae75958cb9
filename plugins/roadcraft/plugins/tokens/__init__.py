"""The behavior model ``tokens``, and the agent policy of the same name that drives everybody else by it."""
