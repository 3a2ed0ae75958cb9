"""How long a plan of a trained model takes on one core, beside the floor of its matrix products: ``python
tests/benchmarks/latency.py CHECKPOINT --store STORE``.

Measured: the planner's whole call (features, network, plan) for 1 and for 64 scenarios, at several sizes of the groups
that pass through the network; and of a group of 64 the network alone. The floor is the time of that network's own
matrix products and convolutions and nothing else: each is written down while the network runs, and replayed on arrays
of the same shapes and strides. Beside it stands what they would take at the rate of a large square product
(``square``), which small matrices cannot reach. Everything is CPU time of one thread on one core, medians; what ran on
a graphics card is wall time.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.driving.features.build import build_features
from roadcraft.core.driving.features.scene import scenes_of
from roadcraft.core.interfaces import load_planner
from roadcraft.core.kernels.cache import use_kernel_cache
from roadcraft.core.plugins.registry import registry
from roadcraft.core.testing import observe
from roadcraft.scenario_io import ScenarioFilter, find
from roadcraft.scenario_io.open import open_source

Loader = Callable[..., Any]
CASES = ((1, 1), (1, 32), (64, 1), (64, 32), (64, 64))  # scenarios, micro_batch
MANY = 64
SQUARE = 1024
REPLAY_S = 0.01  # per repetition of a product


def median(call: Callable[[], Any], rounds: int, clock: Callable[[], float] = process_time) -> float:
    """Median seconds of a call, the first of which does not count."""
    call()
    times = []
    for _ in range(rounds):
        began = clock()
        call()
        times.append(clock() - began)
    return float(np.median(times))


class Products(TorchDispatchMode):
    """Counts every matrix product and convolution that runs inside, by what is multiplied and by whom, and their
    floating-point operations."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[Any] = Counter()
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            self.flops += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out)
            self.calls[func, tuple(_described(a) for a in args)] += 1
        return out


def _described(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return "tensor", tuple(value.shape), value.stride(), value.dtype
    return ("value", tuple(value) if isinstance(value, list) else value)


def _made(about: Any) -> Any:
    if about[0] == "value":
        return list(about[1]) if isinstance(about[1], tuple) else about[1]
    _, shape, stride, dtype = about
    needed = 1 + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))  # an expanded array has strides of 0
    return torch.randn(needed).to(dtype).as_strided(shape, stride)


def replay(calls: Counter[Any]) -> float:
    """Seconds that the products take one after the other, each at its best of five."""
    total = 0.0
    for (func, about), count in calls.items():
        args = [_made(a) for a in about]
        began = process_time()
        func(*args)
        often = max(int(REPLAY_S / max(process_time() - began, 1e-6)), 1)

        def some(func: Any = func, args: Any = args, often: int = often) -> None:
            for _ in range(often):
                func(*args)

        best = min(median(some, 1) for _ in range(5)) / often
        total += count * best
    return total


def square_rate() -> float:
    """Floating-point operations per second of a product of two large square matrices."""
    a, b = torch.randn(SQUARE, SQUARE), torch.randn(SQUARE, SQUARE)
    return 2.0 * SQUARE**3 / min(median(lambda: a @ b, 3) for _ in range(3))


def network_cost(load: Loader, obs: ObservationBatch, keys: Any, rounds: int) -> dict[str, Any]:
    """Milliseconds per scenario of features and network for one group, and the floors of its products."""
    planner: Any = load(micro_batch=MANY)
    network, count = planner.network, len(obs)
    for module in (network.encoder, network.model):
        module.requires_grad_(False)  # torch's counter hangs hooks on whatever has gradients
    arrays = build_features(network.features, scenes_of(obs, network.features))
    tensors = {k: torch.from_numpy(v) for k, v in arrays.items()}

    def run() -> None:
        network.model.sample(network.encoder.encode(tensors, None)[0], tensors, keys)

    with torch.inference_mode():
        seconds = median(run, rounds)
    products, counter = Products(), FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):  # attention as plain products, which the counters know
        with counter:
            run()
        with products:
            run()
    with torch.no_grad():
        own, rate = replay(products.calls), square_rate()
    features = median(lambda: build_features(network.features, scenes_of(obs, network.features)), rounds)
    floor, square = own / count, products.flops / rate / count
    return {
        "features_ms": 1e3 * features / count,
        "network_ms": 1e3 * seconds / count,
        "mflop": 1e-6 * counter.get_total_flops() / count,
        "products": sum(products.calls.values()),
        "shapes": len(products.calls),
        "floor_ms": 1e3 * floor,
        "floor_gflops": 1e-9 * products.flops / own if own else None,
        "times_floor": seconds / count / floor if floor else None,
        "square_ms": 1e3 * square,
        "square_gflops": 1e-9 * rate,
        "times_square": seconds / count / square if square else None,
        "counters_agree": products.flops == counter.get_total_flops(),
    }


def on_gpu(load: Loader, batches: dict[int, tuple[ObservationBatch, Any]], rounds: int) -> dict[str, Any]:
    """Wall milliseconds per scenario on a graphics card, or why they are missing."""
    settings = {f.name for f in fields(registry().config_class("planner", "learned"))}
    if not torch.cuda.is_available():
        return {"skipped": "no graphics card here"}
    if "device" not in settings:
        return {"skipped": "the planner `learned` has no setting `device`"}
    found: dict[str, Any] = {"gpu": torch.cuda.get_device_name(0)}
    for count, (obs, keys) in batches.items():
        planner: Any = load(micro_batch=count, device="cuda")
        seconds = median(lambda p=planner, o=obs, k=keys: p.plan(o, [None] * len(o), k), rounds, perf_counter)
        found[f"batch_{count}_ms"] = 1e3 * seconds / count
    return found


def observations(store: Path, needs: Any, count: int) -> ObservationBatch:
    """So many observations at the anchors of a store's scenarios; few scenarios are taken several times."""
    source = open_source(store)
    chosen = find(source, ScenarioFilter(preset="mapped"))
    picked: Sequence[Any] = [chosen[i * len(chosen) // count] for i in range(count)]
    return observe([source.scenario(c.row, c.type, c.window_us) for c in picked], 30, needs)


def one_core() -> None:
    """Keep this process on one core and torch on one thread."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint", type=Path)
    p.add_argument("--store", type=Path, required=True)
    p.add_argument(
        "--model",
        type=json.loads,
        default={},
        help="params of the model that replace those it was trained with, as JSON",
    )
    p.add_argument("--rounds", type=int, default=9)
    p.add_argument("--out", type=Path, help="write the figures there as JSON")
    return p


def main() -> None:
    options = parser().parse_args()
    one_core()
    load = partial(load_planner, options.checkpoint, model=options.model)
    needs = load().needs()
    many = observations(options.store, needs, MANY)
    batches = {n: (many.select(range(n)), np.arange(1, n + 1, dtype=np.uint64)) for n in (1, MANY)}
    plans = {}
    for count, size in CASES:
        planner, (obs, keys) = load(micro_batch=size), batches[count]
        state = planner.start(obs, keys)
        call = lambda p=planner, o=obs, s=state, k=keys: p.plan(o, s, k)  # noqa: E731
        row = {"ms": 1e3 * median(call, options.rounds) / count}
        row["wall_ms"] = 1e3 * median(call, options.rounds, perf_counter) / count
        plans[f"batch_{count}_micro_{size}"] = row
    found = {
        "plan": plans,
        "network": network_cost(load, *batches[MANY], options.rounds),
        "gpu": on_gpu(load, batches, options.rounds),
    }
    text = json.dumps(found, indent=1)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    use_kernel_cache()
    main()
