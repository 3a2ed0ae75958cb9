"""Numba's choice among the signatures of an operator or a built-in function, remembered.

For every ``a + b`` of a kernel numba asks dozens of templates anew, twice each, most of which refuse with an error that
is written out: a good tenth of the time of compiling. What one has answered for some types, it answers again.
"""

from __future__ import annotations

from functools import cache, wraps
from typing import Any

from numba.core.target_extension import get_local_target
from numba.core.types.functions import BaseFunction

_answers: dict[int, tuple[Any, dict[Any, Any]]] = {}
"""By the id of a function's type: it, and its signature by target and types of arguments."""


@cache
def remember_call_types() -> None:
    """From now on, numba asks its own templates once for the same types.

    Overloads are asked again: each is a kernel, compiled with the flags of the kernel that calls it. A numba that keeps
    its choices elsewhere than in ``_impl_keys`` is left as it is.
    """
    ask = BaseFunction.get_call_type
    if "_impl_keys" not in BaseFunction.__init__.__code__.co_names:
        return

    @wraps(ask)
    def get_call_type(self: Any, context: Any, args: Any, kws: Any) -> Any:
        if kws or not all(a.is_precise() for a in args):
            return ask(self, context, args, kws)
        _, known = _answers.setdefault(id(self), (self, {}))
        key = get_local_target(context), tuple(args)
        signature: Any = known.get(key)
        if signature is None:
            signature = ask(self, context, args, kws)
            if self._impl_keys[signature.args] is self.typing_key:
                known[key] = signature
        else:
            self._impl_keys[signature.args] = self.typing_key
        return signature

    BaseFunction.get_call_type = get_call_type  # type: ignore[method-assign]
