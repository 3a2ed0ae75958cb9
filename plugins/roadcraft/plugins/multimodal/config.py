"""Settings of the behaviour model ``multimodal``."""

from __future__ import annotations

from dataclasses import dataclass

from roadcraft.core.rules import check


@dataclass(frozen=True)
class MultimodalConfig:
    """The defaults are small, as the encoder's are. For a large data set: modes 4, layers 2, heads 8, feed_forward 4, dropout 0.1.

    modes: speed profiles per reference line; lines, line_points, line_interval_m: reference lines of the features; layers, heads, feed_forward,
    dropout: of the decoder.

    speed_knots_s: times of the knots of the speed spline; offset_knots_s: knots of the lateral spline, in seconds of travel at the present speed (at
    least slow_mps); future_steps, future_agents: what is predicted, 0.1 s apart.
    Loss weights: regression (position, heading and speed of the best mode), choice (which line and mode), agents; near_s: a pose t seconds ahead
    weighs 1 / (1 + t / near_s), since a closed loop drives the first second of every plan.
    """

    modes: int = 3
    lines: int = 3
    line_points: int = 80
    line_interval_m: float = 2.0
    layers: int = 1
    heads: int = 4
    feed_forward: int = 2
    dropout: float = 0.0
    speed_knots_s: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.5)
    offset_knots_s: tuple[float, ...] = (0.8, 1.6, 2.4, 3.5, 5.0, 7.0)
    slow_mps: float = 5.0
    future_steps: int = 80
    future_agents: int = 10
    regression: float = 1.0
    choice: float = 0.5
    agent: float = 0.3
    heading: float = 2.0
    speed: float = 0.5
    near_s: float = 2.0

    def __post_init__(self) -> None:
        check(
            self,
            {
                ">= 1": "modes lines layers heads future_steps",
                ">= 4": "line_points",
                "> 0": "line_interval_m",
                "[0, 1)": "dropout",
            },
            *(
                (name, len(k) > 0 and list(k) == sorted(set(k)) and k[0] > 0.0, "must be positive and ascending")
                for name, k in (("speed_knots_s", self.speed_knots_s), ("offset_knots_s", self.offset_knots_s))
            ),
            (
                "speed_knots_s",
                max(self.speed_knots_s, default=0.0) < 0.1 * self.future_steps,
                "must end before the horizon",
            ),
        )
