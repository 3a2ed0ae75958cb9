"""Training in one readable file: store -> batches -> network -> loss -> optimizer -> closed-loop score.

    python examples/training/minimal.py stores/train stores/test --steps 2000

It uses public names only and leaves out what `roadcraft train` does besides (resuming, averaging, several devices,
balancing, logs), so that the loop can be read, copied and changed.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch

from roadcraft.core import ScenarioSource, load_planner, use_kernel_cache

use_kernel_cache()  # before anything imports numba

from roadcraft.planners import Network, build_network, save_checkpoint  # noqa: E402
from roadcraft.plugins import AugmentConfig, SampleBuilder, SampleSet  # noqa: E402
from roadcraft.scenario_io import ScenarioFilter, find, open_source  # noqa: E402
from roadcraft.validation import Failure, evaluate, simulate  # noqa: E402

Batch = dict[str, torch.Tensor]


def samples_of(source: ScenarioSource, logs: list[str], every_s: float = 0.5, future_s: float = 3.0) -> SampleSet:
    """The frames that are trained on: one every ``every_s`` of each log, where ``future_s`` of its future is logged."""
    log, frame = [], []
    for i, name in enumerate(logs):
        drive = source.drive(name)
        step, end = round(every_s * 1e6 / drive.interval_us), len(drive) - round(future_s * 1e6 / drive.interval_us)
        frames = np.arange(0, max(end, 0), step, dtype=np.int32)
        log.append(np.full(len(frames), i, np.int32))
        frame.append(frames)
    return SampleSet(tuple(logs), np.concatenate(log), np.concatenate(frame))


def batch_of(builder: SampleBuilder, samples: SampleSet, rows: np.ndarray, chance: np.random.Generator | None) -> Batch:
    """Features and targets of some samples as tensors, perturbed where there is ``chance``."""
    if chance is None:
        arrays = builder.batch(samples, rows)
    else:
        arrays = builder.batch(samples, rows, AugmentConfig(), chance.random((len(rows), builder.random_count)))
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def loss_of(network: Network, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """The sum of the model's loss terms, and the mean displacement error of its likeliest trajectory in meters."""
    encoding, _ = network.encode(batch)
    seen = network.for_model(batch)  # as much of the batch as the model asked for
    prediction = network.model(encoding, seen)
    terms = network.model.loss(prediction, seen)
    likeliest = prediction.ego[torch.arange(len(prediction.ego)), prediction.logits.argmax(-1)]
    valid = batch["ego_future_valid"]
    error = (likeliest[..., :2] - batch["ego_future"][..., :2]).norm(dim=-1) * valid
    return torch.stack(list(terms.values())).sum(), (error.sum() / valid.sum().clamp_min(1)).detach()


def rate(step: int, steps: int, peak: float) -> float:
    """A linear rise over the first twentieth of the steps, then a cosine to a hundredth."""
    rise = steps / 20
    wave = 0.5 * (1.0 + math.cos(math.pi * max(step - rise, 0.0) / (steps - rise)))
    return peak * min((step + 1) / rise, 1.0) * (0.01 + 0.99 * wave)


def train(network: Network, source: ScenarioSource, steps: int, batch: int, seed: int) -> float:
    """Fit the network to the logs of ``source``, of which a tenth is held out. Returns the held-out error in meters."""
    chance = np.random.default_rng(seed)
    torch.manual_seed(seed)
    logs = source.logs()
    held = set(chance.choice(len(logs), max(len(logs) // 10, 1), replace=False).tolist())
    training = samples_of(source, [log for i, log in enumerate(logs) if i not in held])
    checking = samples_of(source, [log for i, log in enumerate(logs) if i in held])
    builder = SampleBuilder(source, network.features)

    parts = torch.nn.ModuleList([network.encoder, network.model])
    peak = getattr(network.model, "learning_rate", 2e-3)
    optimizer = torch.optim.AdamW(parts.parameters(), lr=peak, weight_decay=0.05)
    began = time.monotonic()
    parts.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps, peak)
        loss, _ = loss_of(network, batch_of(builder, training, chance.integers(len(training), size=batch), chance))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parts.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % max(steps // 10, 1) == 0:
            speed = (step + 1) * batch / (time.monotonic() - began)
            print(f"step {step + 1}: loss {loss.item():.3f}, {speed:.0f} samples/s", flush=True)
    parts.eval()
    with torch.no_grad():
        rows = np.unique(np.linspace(0, len(checking) - 1, 256).astype(np.int64))
        _, error = loss_of(network, batch_of(builder, checking, rows, None))
    return float(error)


def score(checkpoint: Path, source: ScenarioSource) -> tuple[float, int]:
    """Mean closed-loop score of the tagged scenarios, others as logged, and their number. A failed one counts 0."""
    found = find(source, ScenarioFilter(preset="mapped"))
    scenarios = [source.scenario(chosen.row, chosen.type, chosen.window_us) for chosen in found]
    driven = simulate(scenarios, load_planner(checkpoint))
    scores = [0.0 if isinstance(r, Failure) else evaluate(r, "closed_loop_nonreactive_agents").score for r in driven]
    return float(np.mean(scores)), len(scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("training", type=Path, help="a store, or a folder of logs, to train on")
    parser.add_argument("testing", type=Path, help="another one, to drive in")
    parser.add_argument("--encoder", default="vector_transformer")
    parser.add_argument("--model", default="multimodal")
    parser.add_argument("--out", type=Path, default=Path("runs/minimal"))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()

    torch.set_num_threads(1)  # small networks train fastest on one
    parts = {"encoder": {"name": o.encoder, "params": {}}, "model": {"name": o.model, "params": {}}}
    network = build_network(parts["encoder"], parts["model"])
    error = train(network, open_source(o.training), o.steps, o.batch, o.seed)
    save_checkpoint(o.out, network, parts, {"held_out_ade_m": error}, f"# {o.encoder} with {o.model}\n")
    mean, count = score(o.out, open_source(o.testing))
    print(f"{o.out}: held-out error {error:.2f} m, score {mean:.3f} over {count} scenarios")


if __name__ == "__main__":
    main()
