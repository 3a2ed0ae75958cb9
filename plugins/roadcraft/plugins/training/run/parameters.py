"""Parts of a network by name, and those that are frozen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches

from torch import nn

from roadcraft.core.errors import ConfigError


def names_under(prefix: str, names: Collection[str], key: str) -> list[str]:
    """The parameters that ``prefix`` (``encoder``, ``model.head``) or the whole name stands for. Raises ConfigError for
    the setting ``key``, with the nearest name, where there is none."""
    found = [n for n in names if f"{n}.".startswith(f"{prefix}.")]
    if not found:
        parts = {n.rsplit(".", k)[0] for n in names for k in range(n.count(".") + 1)}
        near = get_close_matches(prefix, sorted(parts, key=len), 1)
        hint = f"did you mean {near[0]!r}?" if near else "parts of this network: encoder, model"
        raise ConfigError(f"{key}: no parameter's name begins with {prefix!r}; {hint}")
    return found


class Frozen:
    """Parts of a network that training leaves as they are: without gradients, and where all parameters of a module are
    frozen in evaluation mode, so that neither dropout nor batch statistics act in it. Raises ConfigError where a name
    fits nothing, or nothing is left."""

    def __init__(self, network: nn.Module, prefixes: Sequence[str]) -> None:
        self.network = network
        parameters = dict(network.named_parameters())
        still = {id(parameters[n]) for prefix in prefixes for n in names_under(prefix, parameters, "freeze")}
        for p in parameters.values():
            p.requires_grad_(p.requires_grad and id(p) not in still)
        holders = ((m, {id(p) for p in m.parameters()}) for m in network.modules())
        self.modules = [m for m, own in holders if own and own <= still]
        if not any(p.requires_grad for p in parameters.values()):
            raise ConfigError(f"freeze: {', '.join(prefixes)} leave nothing to train")

    def train(self, mode: bool) -> None:
        """Put the network into training or evaluation mode, what is frozen into evaluation mode."""
        self.network.train(mode)
        for module in self.modules:
            module.eval()
