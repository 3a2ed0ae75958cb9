"""The behavior model ``candidate_choice``."""
