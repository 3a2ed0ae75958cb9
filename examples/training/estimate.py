"""What a training configuration will cost: arithmetic and memory of the network per sample, counted; samples per
second of the data path, measured on this machine.

    python examples/training/estimate.py examples/training/nuplan.yaml data=stores/nuplan-train --tflops 312 --share
    0.15

--tflops: what the device's data sheet promises in the configuration's precision; --share: the part of it that a network
reaches, which is small where matrices are (a few hundredths). Both only scale the network's time; everything else is
counted or measured.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from roadcraft.core import load_config, use_kernel_cache

use_kernel_cache()  # before anything imports numba

from roadcraft.core.testing import made_up_features  # noqa: E402
from roadcraft.planners import Network, build_network  # noqa: E402
from roadcraft.plugins import SampleBuilder, TrainConfig, samples_of  # noqa: E402
from roadcraft.scenario_io import open_source  # noqa: E402

BATCH = 4  # samples that are counted at once


def network_of(config: TrainConfig) -> Network:
    """The encoder and the model of a configuration, put together."""
    encoder, model = ({"name": ref.name, "params": ref.params} for ref in (config.encoder, config.model))
    return build_network(encoder, model)


def weigh(config: TrainConfig) -> tuple[int, float, float]:
    """Parameters; floating-point operations of a training step per sample; bytes kept for the backward pass per sample
    (32 bits, without compiling)."""
    network = network_of(config)
    spec = network.features
    batch = made_up_features(spec, BATCH)
    batch["ego_future"], batch["ego_future_valid"] = (
        torch.zeros(BATCH, spec.future_steps, 5),
        torch.ones(BATCH, spec.future_steps, dtype=torch.bool),
    )
    batch["agent_future"] = torch.zeros(BATCH, spec.future_agents, spec.future_steps, 4)
    batch["agent_future_valid"] = torch.zeros(BATCH, spec.future_agents, spec.future_steps, dtype=torch.bool)
    for name, array in batch.items():
        if name.endswith(("valid", "mask")):
            array.fill_(True)
    kept: dict[int, int] = {}

    def keep(t: torch.Tensor) -> torch.Tensor:
        kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    parameters = [p for part in (network.encoder, network.model) for p in part.parameters()]
    with FlopCounterMode(display=False) as flops, torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        (terms, _), _, _ = network.losses(batch)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    for p in parameters:
        kept.pop(p.untyped_storage().data_ptr(), None)
    return sum(p.numel() for p in parameters), flops.get_total_flops() / BATCH, sum(kept.values()) / BATCH


def measure(config: TrainConfig, workers: int, seconds: float) -> tuple[float, int]:
    """Samples per second that one process builds from ``config.data`` (from 64 of its logs) with so many threads, and
    how many samples the configuration finds."""
    source = open_source(config.data, config.format)
    spec = network_of(config).features
    samples = samples_of(source, config.sample_interval_s, config.min_future_s)
    some = np.random.default_rng(0).choice(np.flatnonzero(samples.log < 64), 4096)
    builder = SampleBuilder(source, spec)

    def build(k: int) -> None:
        chance = np.random.default_rng(k).random((64, builder.random_count))
        builder.batch(samples, some[64 * (k % 64) :][:64], config.augment, chance)

    for k in range(4):
        build(k)  # compiles the kernels, opens logs
    begun, done = time.perf_counter(), 0
    with ThreadPoolExecutor(workers) as pool:
        while time.perf_counter() - begun < seconds:
            done += 64 * len(list(pool.map(build, range(done, done + 4 * workers))))
    return done / (time.perf_counter() - begun), len(samples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="+", help="config.yaml and key=value words, as for roadcraft train")
    parser.add_argument("--tflops", type=float, default=312.0, help="of one device (312: A100, bf16)")
    parser.add_argument("--share", type=float, default=0.03, help="of it that is reached")
    parser.add_argument("--devices", type=int, default=8, help="one process each")
    parser.add_argument("--threads", type=int, default=2, help="that build samples, per process")
    parser.add_argument("--seconds", type=float, default=5.0, help="for which the data path is measured")
    args = parser.parse_args()
    config = load_config(TrainConfig, args.words).config
    parameters, flops, memory = weigh(config)
    part, total = config.batch / args.devices / config.accumulate, config.steps * config.batch
    print(
        f"network: {parameters / 1e6:.2f} M parameters, {flops / 1e9:.2f} GFLOP and {memory / 1e6:.1f} MB kept per "
        "sample of a training step"
    )
    print(
        f"memory of a device: {(part * memory + parameters * 20) / 1e9:.1f} GB for {part:.0f} samples at a time (32 "
        "bits)"
    )
    print(
        f"run: {config.steps:,} steps of {config.batch:,}: {total / 1e6:.1f} M samples, {total * flops / 1e15:,.0f} "
        "PFLOP"
    )
    computed = args.devices * args.share * args.tflops * 1e12 / flops
    print(
        f"network alone: {total / computed / 3600:.1f} h at {computed:,.0f} samples/s ({args.share:.0%} of "
        f"{args.devices} x {args.tflops:g} TFLOP/s)"
    )
    if Path(config.data).exists():
        built, found = measure(config, args.threads, args.seconds)
        print(
            f"data alone: {total / built / args.devices / 3600:.1f} h; a process with {args.threads} threads builds "
            f"{built:,.0f} samples/s on this machine"
        )
        print(f"{found:,} samples are found: {total / found:.1f} epochs")


if __name__ == "__main__":
    main()
