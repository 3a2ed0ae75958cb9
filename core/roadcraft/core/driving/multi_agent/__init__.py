"""Kernels for environments in which every agent is driven: a step of all, collisions, road edges. Experimental."""
