"""Evaluation beside a plain loop over transformers: losses of held-out rows, and greedy answers of 64 tokens.

The starter base with a LoRA adapter of rank 16 that is switched on, rows that share one system prompt, float32, one
thread. The plain loop takes one row at a time, as anybody would write it: `model(input_ids, labels=...)` for a loss,
`model.generate` for an answer. The kit packs the rows, and writes the answers in batches behind the shared beginning.
End tokens are ignored on both sides, so that every answer has all its tokens. Rounds are interleaved in shuffled order;
seconds are medians of process time, so other work on the machine counts little. Both must agree: losses to 1e-5 nats
per token, answers token for token.

Run: python -m benchmarks.evaluating [ROWS] [ROUNDS] [TOKENS]
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_SYSTEM = (
    "You are the assistant of a small clinic. Answer in two or three short sentences, in plain words. Never name a"
    " dose, never make a diagnosis, and send anyone with chest pain, trouble breathing or a stroke's signs to"
    " emergency care."
)
_TOPICS = (
    "opening hours",
    "a vaccination",
    "a repeat prescription",
    "a blood test",
    "parking",
    "a sick note",
    "a cough",
)
_ASKING = ("How do I ask about {}?", "My mother wants to know about {}. Whom do we call?", "{}: is Monday {} too late?")


def conversation(number: int) -> list[dict[str, str]]:
    """A held-out row: system prompt, question, answer; no two are equal."""
    draw = random.Random(number)
    topic = draw.choice(_TOPICS)
    question = draw.choice(_ASKING).format(topic, number) + " Thank you." * draw.randrange(4)
    answer = f"Please call the front desk about {topic}, line {number}." + " They will help you." * draw.randrange(5)
    turns = (("system", _SYSTEM), ("user", question), ("assistant", answer))
    return [{"role": role, "content": content} for role, content in turns]


def engine_with_adapter(folder: Path) -> Any:
    """The starter base with an adapter whose effect is not zero; no token ends an answer."""
    import torch

    from finetune import models
    from finetune.generation import Engine
    from finetune.recipe.words import Adapter

    torch.set_num_threads(1)
    base = models.load_base(models.find_base("starter"), "float32")
    model = models.attach_adapter(base, Adapter(r=16, alpha=32.0), seed=0)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.copy_(0.02 * torch.randn(weight.shape, generator=draw))
    models.save_adapter(model, folder, "starter", None)
    engine = Engine.open(folder)
    engine.renderer.stop_ids = [-1]
    return engine


def plain_losses(engine: Any, rows: Sequence[Any]) -> list[tuple[float, int]]:
    """Transformers' own loss of each row, times its number of counted tokens."""
    import torch

    found = []
    with torch.inference_mode():
        for ids, labels in rows:
            loss = engine.model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
            num = sum(label != -100 for label in labels[1:])
            found.append((float(loss) * num, num))
    return found


def kit_losses(engine: Any, rows: Sequence[Any]) -> list[tuple[float, int]]:
    """The same by the kit."""
    from finetune.evaluation.parts import kept_losses

    return kept_losses(engine.model, rows, "adapter", None)


def plain_answers(engine: Any, asked: Sequence[Any], num_tokens: int) -> list[str]:
    """Transformers' generate, one question at a time."""
    import torch

    found = []
    with torch.inference_mode():
        for messages in asked:
            prompt = torch.tensor([engine.renderer.prompt(messages)])
            made = engine.model.generate(
                input_ids=prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=num_tokens,
                do_sample=False,
                eos_token_id=engine.renderer.stop_ids,
                pad_token_id=engine.tokenizer.pad_token_id,
            )
            found.append(engine.renderer.words_of(made[0, prompt.shape[1] :].tolist()).strip())
    return found


def kit_answers(engine: Any, asked: Sequence[Any], num_tokens: int) -> list[str]:
    """The same by the kit."""
    from finetune.generation import answer_many

    return [answer.text for answer in answer_many(engine, asked, adapter=True, max_new_tokens=num_tokens)]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU-seconds, and what came of it."""
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def agree(plain: Any, kit: Any, what: str) -> str:
    """How far the two lie apart, in words."""
    if what == "losses":
        apart = [abs(sum(n for n, _ in one) / sum(c for _, c in one)) for one in (plain, kit)]
        return f"mean loss {apart[0]:.6f} and {apart[1]:.6f}, apart {abs(apart[0] - apart[1]):.1e}"
    # Bytes that make no character are shown by other signs where an answer was decoded piece by piece.
    clean = [(a, b) for a, b in zip(plain, kit) if "\ufffd" not in a + b]
    return f"{sum(a == b for a, b in clean):,} of {len(clean):,} answers equal"


def main() -> None:
    """Print a table of both stages and their sum."""
    rows, rounds, num_tokens = (int(word) for word in [*sys.argv[1:], *("500", "3", "64")[len(sys.argv) - 1 :]])
    with tempfile.TemporaryDirectory() as folder:
        engine = engine_with_adapter(Path(folder))
    turns = [conversation(number) for number in range(rows)]
    rendered = [engine.renderer.render(row) for row in turns]
    pairs = [(row.input_ids, row.labels) for row in rendered]
    asked = [row[:-1] for row in turns]
    work: dict[tuple[str, str], Callable[[], Any]] = {
        ("losses", "plain loop"): lambda: plain_losses(engine, pairs),
        ("losses", "kit"): lambda: kit_losses(engine, pairs),
        ("answers", "plain loop"): lambda: plain_answers(engine, asked, num_tokens),
        ("answers", "kit"): lambda: kit_answers(engine, asked, num_tokens),
    }
    kit_losses(engine, pairs[:8])  # what is found out once for a model is found out before the clock runs
    kit_answers(engine, asked[:8], 2)
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in work}
    found: dict[tuple[str, str], Any] = {}
    shuffler = random.Random(0)
    for _ in range(rounds):
        for key in shuffler.sample(list(work), len(work)):
            taken, found[key] = timed(work[key])
            seconds[key].append(taken)
    mean = sum(len(ids) for ids, _ in pairs) / len(pairs)
    print(f"{rows} rows of {mean:.0f} tokens on average, {rows} answers of {num_tokens} tokens, {rounds} rounds\n")
    print("| stage | plain loop, CPU-s | kit, CPU-s | ratio | agreement |\n|---|---|---|---|---|")
    for stage in ("losses", "answers", "both"):
        parts = ("losses", "answers") if stage == "both" else (stage,)
        plain, kit = ([sum(seconds[part, who][k] for part in parts) for k in range(rounds)] for who in WHO)
        ratio = statistics.median(a / b for a, b in zip(plain, kit))
        spans = " | ".join(f"{statistics.median(s):.2f} [{min(s):.2f}, {max(s):.2f}]" for s in (plain, kit))
        says = agree(found[stage, WHO[0]], found[stage, WHO[1]], stage) if stage != "both" else ""
        print(f"| {stage} | {spans} | {ratio:.1f} | {says} |", flush=True)


WHO = ("plain loop", "kit")

if __name__ == "__main__":
    main()
