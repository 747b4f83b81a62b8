"""How replies are sampled in Chat and on the command line."""

from __future__ import annotations

from studio.section import MOST, Section, knob


class GenerationConfig(Section):
    """Temperature 0 is greedy. The same seed gives the same reply on the same machine."""

    max_new_tokens: int = knob(256, ge=1, le=8192)
    temperature: float = knob(0.7, ge=0, le=5)
    top_p: float = knob(0.9, gt=0, le=1)
    top_k: int = knob(0, ge=0, le=MOST, advanced=True)
    repetition_penalty: float = knob(1.0, gt=0, le=10, advanced=True)
    seed: int = knob(0, ge=0, lt=2**32, flag="generation_seed")
