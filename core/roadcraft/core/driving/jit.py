"""The decorator of small kernels."""

from __future__ import annotations

from numba import njit

small_njit = njit(cache=True, nogil=True, _nrt=False)
"""For kernels that allocate no array and return none: numba then does not count references. Counting costs two locked
instructions per array argument, some 60 ns a call, which is more than most of these kernels take. An allocation in such
a kernel does not compile."""

inlined_njit = njit(cache=True, nogil=True, _nrt=False, inline="always")
"""For kernels that take many arrays in tuples: they become part of the kernel that calls them before that is compiled,
and are never compiled on their own. A call would copy every array's description, which costs more than most of these
kernels do."""
