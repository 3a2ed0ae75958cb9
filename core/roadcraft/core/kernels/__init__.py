"""Compiled kernels: where they are kept, how their files are read, and compiling them ahead."""
