"""The decorators of kernels.

Numba compiles a kernel that another one calls like any: with wrappers for Python and C, into machine code that nobody
runs, since the caller takes its intermediate code and compiles that once more. Here, what kernels call of a kernel is
its intermediate code alone; wrapper and machine code are made of what Python calls. One by one, functions are only
brought into a form that takes little room, and optimized in full together: optimized in full both times, they take a
seventh longer to compile.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from itertools import count
from typing import Any

import llvmlite.binding as llvm
from numba.core import config
from numba.core.bytecode import FunctionIdentity
from numba.core.caching import FunctionCache
from numba.core.codegen import JITCodeLibrary, _parse_refprune_flags
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher

import roadcraft.core.driving.held  # noqa: F401  the code of every kernel that takes a Held follows its layout
from roadcraft.core.driving.call_types import remember_call_types
from roadcraft.core.kernels.files import one_process_at_a_time

remember_call_types()


def name_apart() -> None:
    """Let the functions that this process compiles have names that no other process gives.

    Numba numbers functions from 1 in every process, and the number tells apart what has equal names and types, such as
    the closures of a sort and of an argsort. Two kernels that two processes have compiled and stored can so hold
    different functions of one name; the process that loads both would call the first for either, and answer wrongly.
    """
    FunctionIdentity._unique_ids = count(int.from_bytes(os.urandom(7)))


name_apart()
os.register_at_fork(after_in_child=name_apart)


class _Library(JITCodeLibrary):
    """Machine code of a kernel and what it calls."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout
        passes, builder = llvm.create_new_function_pass_manager(), self._codegen._pass_builder(opt=1)
        passes.add_sroa_pass()
        passes.add_simplify_cfg_pass()
        passes.add_instruction_combine_pass()
        passes.add_refprune_pass(_parse_refprune_flags())
        for function in ll_module.functions:
            if not function.is_declaration:
                passes.run(function, builder)


class _LinkedLibrary(_Library):
    """Intermediate code for callers to link. Machine code holds no more than the place of the environment, which all
    callers share."""

    _final_module: Any

    def _optimize_final_module(self) -> None:
        """Nothing: each caller's module is optimized as a whole."""

    def _finalize_final_module(self) -> None:
        whole = self._final_module
        places = [str(v) for v in whole.global_variables if v.name.startswith("_ZN08NumbaEnv")]
        empty = str(self._codegen._create_empty_module(self.name))
        self._final_module = llvm.parse_assembly("\n".join([empty, *places]))
        super()._finalize_final_module()
        self._final_module = whole
        self._finalize_dynamic_globals()  # they keep a kernel out of the cache


class _KernelCompiler(Compiler):
    code: type[JITCodeLibrary] = _Library

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        library = self.code(targetctx.codegen(), "kernel")
        library.enable_object_caching()
        super().__init__(typingctx, targetctx, library, *rest)


class _LinkedCompiler(_KernelCompiler):
    code = _LinkedLibrary

    def define_pipelines(self) -> Any:
        self.state.flags.no_cpython_wrapper = True  # as an option it would be passed on to numba's own functions
        return super().define_pipelines()


class _LinkedCache(FunctionCache):
    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return *super()._index_key(sig, codegen), "linked"


class _Dispatcher(CPUDispatcher):
    def compile(self, sig: Any) -> Any:
        with one_process_at_a_time():
            return super().compile(sig)


class _Linked(_Dispatcher):
    """A kernel as kernels call it."""

    def enable_caching(self) -> None:
        self._cache = _LinkedCache(self.py_func)


class Kernel(_Dispatcher):
    """A kernel as Python calls it."""

    @cached_property
    def _linked(self) -> Any:
        linked = _Linked(self.py_func, self.locals, self.targetoptions, _LinkedCompiler)
        linked.enable_caching()
        return linked

    @property
    def is_compiling(self) -> bool:
        return bool(self._compiling_counter) or self._linked.is_compiling

    def get_call_template(self, args: Any, kws: Any) -> Any:
        return self._linked.get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:
        return self._linked.get_overload(sig)


def njit(*, cache: bool, nogil: bool, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Numba's ``njit``, sparing what kernels call most of the compiler's work."""
    options |= {"nopython": True, "boundscheck": None, "nogil": nogil, "no_cfunc_wrapper": True}

    def declare(function: Callable[..., Any]) -> Any:
        if vars(config)["DISABLE_JIT"]:
            return function
        kernel = Kernel(function, targetoptions=options, pipeline_class=_KernelCompiler)
        if cache:
            kernel.enable_caching()
        return kernel

    return declare


small_njit = njit(cache=True, nogil=True, _nrt=False)
"""For kernels that allocate no array and return none: numba then does not count references. Counting costs two locked
instructions per array argument, some 60 ns a call, which is more than most of these kernels take. An allocation in such
a kernel does not compile."""

inlined_njit = njit(cache=True, nogil=True, _nrt=False, inline="always")
"""For kernels that take many arrays in tuples: they become part of the kernel that calls them before that is compiled,
and are never compiled on their own. A call would copy every array's description, which costs more than most of these
kernels do."""
