"""Pre-train the starter base from random weights: tokenizer, packing, loop, held-out bits per byte, folder."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finetune.starter import corpus
from finetune.starter.tokenizer import VOCAB_SIZE, encode_documents, train_tokenizer

# Held-out documents are drawn from a seed that training never uses.
HELD_OUT_SEED_OFFSET = 1_000_003
_DOCUMENTS_PER_BATCH = 2_000


@dataclass(frozen=True)
class Pretraining:
    """The settings of one pre-training; together with the corpus they fix the result up to rounding.

    Most rows are short, because attention over short rows is cheaper on a CPU and conversations are short too;
    the last `long_share` of the steps uses rows of the full window, so that every position is trained.
    """

    seed: int = 0
    num_tokens: int = 28_000_000
    window_tokens: int = 512
    short_row_tokens: int = 256
    long_share: float = 0.15
    tokens_per_step: int = 8_192
    tokens_per_pass: int = 2_048
    hidden_size: int = 192
    intermediate_size: int = 512
    num_layers: int = 6
    num_heads: int = 6
    num_kv_heads: int = 2
    matrix_learning_rate: float = 0.03
    embedding_learning_rate: float = 0.006
    warmup: float = 0.02
    cooldown: float = 0.6
    num_tokenizer_documents: int = 60_000
    num_held_out_documents: int = 1_000
    dtype: str = "auto"

    @property
    def num_steps(self) -> int:
        return self.num_tokens // self.tokens_per_step

    def row_tokens(self, step: int) -> int:
        """Length of the rows of step 0..num_steps-1."""
        return self.short_row_tokens if step < self.num_steps * (1 - self.long_share) else self.window_tokens


class PackedRows:
    """Rows of token ids: conversations back to back, the last one cut at the edge and not continued.

    Every row starts at the begin token of a conversation.
    """

    def __init__(self, tokenizer: Any, settings: Pretraining):
        self._conversations = self._encoded(tokenizer, settings.seed)

    @staticmethod
    def _encoded(tokenizer: Any, seed: int) -> Iterator[list[int]]:
        index = 0
        while True:
            documents = [corpus.document(seed, index + k) for k in range(_DOCUMENTS_PER_BATCH)]
            index += _DOCUMENTS_PER_BATCH
            yield from encode_documents(tokenizer, documents)

    def batch(self, num_rows: int, row_tokens: int) -> list[list[int]]:
        """The next `num_rows` rows of exactly `row_tokens` ids."""
        rows = []
        for _ in range(num_rows):
            row: list[int] = []
            while len(row) < row_tokens:
                row += next(self._conversations)
            rows.append(row[:row_tokens])
        return rows


def new_model(settings: Pretraining, tokenizer: Any) -> Any:
    """A LlamaForCausalLM with random weights, in float32, whose special ids are the tokenizer's."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(settings.seed)
    config = LlamaConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=settings.hidden_size,
        intermediate_size=settings.intermediate_size,
        num_hidden_layers=settings.num_layers,
        num_attention_heads=settings.num_heads,
        num_key_value_heads=settings.num_kv_heads,
        max_position_embeddings=settings.window_tokens,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config).float()


def optimizers(model: Any, settings: Pretraining) -> list[Any]:
    """Muon for the matrices inside the layers, AdamW for the embedding and the norms (Jordan et al., 2024)."""
    import torch

    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        torch.optim.Muon(matrices, lr=settings.matrix_learning_rate, weight_decay=0.01, momentum=0.95),
        torch.optim.AdamW(others, lr=settings.embedding_learning_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate_factor(step: int, settings: Pretraining) -> float:
    """Learning-rate factor of step 0..num_steps-1: linear warm-up, constant, linear cool-down to 2 %."""
    done = (step + 1) / settings.num_steps
    return max(0.02, min(1.0, done / settings.warmup, (1 - done) / settings.cooldown))


def bits_per_byte(model: Any, tokenizer: Any, settings: Pretraining) -> dict[str, float]:
    """Held-out loss over whole conversations, one a row; bytes are those of the message texts."""
    import torch

    seed = settings.seed + HELD_OUT_SEED_OFFSET
    documents = [corpus.document(seed, k) for k in range(settings.num_held_out_documents)]
    num_bytes = sum(len(m["content"].encode()) for document in documents for m in document)
    rows = encode_documents(tokenizer, documents)
    nats, num_tokens = 0.0, 0
    model.eval()
    with torch.no_grad():
        for ids in rows:
            row = torch.tensor([ids[: settings.window_tokens]])
            nats += model(input_ids=row, labels=row).loss.item() * (row.shape[1] - 1)
            num_tokens += row.shape[1] - 1
    return {
        "bits_per_byte": round(nats / math.log(2) / num_bytes, 4),
        "nats_per_token": round(nats / num_tokens, 4),
        "num_tokens": num_tokens,
        "num_bytes": num_bytes,
    }


def pretrain(settings: Pretraining, out: Path, log: Any = print) -> dict[str, Any]:
    """Run one pre-training and write the folder `out`: safetensors (float16), config, tokenizer, training.json.

    Args:
        settings: see Pretraining.
        out: folder to write; files in it are replaced when training is done.
        log: called with one line of text now and then.
    """
    import torch

    started = time.time()
    documents = (corpus.document(settings.seed, k) for k in range(settings.num_tokenizer_documents))
    texts = [message["content"] for document in documents for message in document]
    tokenizer = train_tokenizer(texts, settings.window_tokens)
    model = new_model(settings, tokenizer)
    num_parameters = model.num_parameters()
    log(f"{num_parameters:,} parameters, {settings.num_steps:,} steps, {len(texts):,} texts for the tokenizer")
    low_precision = settings.dtype == "bfloat16" or (settings.dtype == "auto" and _bfloat16_is_faster())
    log(f"matrix products in {'bfloat16' if low_precision else 'float32'}")
    curve = _loop(model, PackedRows(tokenizer, settings), settings, low_precision, log)
    facts = {
        "settings": asdict(settings),
        "num_parameters": num_parameters,
        "num_training_tokens": settings.num_steps * settings.tokens_per_step,
        "seconds": round(time.time() - started),
        "matrix_products": "bfloat16" if low_precision else "float32",
        "held_out": bits_per_byte(model.half().float(), tokenizer, settings),
        "loss_curve": curve,
        "versions": {"torch": torch.__version__},
    }
    _save(model, tokenizer, out)
    (out / "training.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return facts


def _loop(model: Any, rows: PackedRows, settings: Pretraining, low_precision: bool, log: Any) -> list[Any]:
    """The training steps; gives [[step, mean loss], ...] for about every 25 steps."""
    import torch

    steppers = optimizers(model, settings)
    groups = [group for stepper in steppers for group in stepper.param_groups]
    rates = [group["lr"] for group in groups]
    num_passes = settings.tokens_per_step // settings.tokens_per_pass
    # On a CPU the plain attention is up to 1.8 times as fast as the fused one for rows this short.
    model.set_attn_implementation("eager")
    model.train()
    curve: list[Any] = []
    recent: list[float] = []
    started = time.time()
    for step in range(settings.num_steps):
        row_tokens = settings.row_tokens(step)
        for group, rate in zip(groups, rates):
            group["lr"] = rate * rate_factor(step, settings)
        for _ in range(num_passes):
            batch = torch.tensor(rows.batch(settings.tokens_per_pass // row_tokens, row_tokens))
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low_precision):
                loss = model(input_ids=batch, labels=batch, use_cache=False).loss / num_passes
            loss.backward()
            recent.append(loss.item() * num_passes)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for stepper in steppers:
            stepper.step()
            stepper.zero_grad(set_to_none=True)
        if (step + 1) % 25 == 0 or step + 1 == settings.num_steps:
            seconds = time.time() - started
            curve.append([step + 1, round(sum(recent) / len(recent), 4)])
            left = seconds / (step + 1) * (settings.num_steps - step - 1)
            rate = (step + 1) * settings.tokens_per_step / seconds
            log(
                f"step {step + 1:,} of {settings.num_steps:,}, loss {curve[-1][1]:.3f}, {rate:,.0f} tokens/s, "
                f"{left / 60:.0f} min left"
            )
            recent = []
    model.set_attn_implementation("sdpa")
    return curve


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Weights in float16 (4 significant digits are enough and halve the file), tokenizer and template beside."""
    import copy

    copy.deepcopy(model).half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _bfloat16_is_faster() -> bool:
    """Whether this machine multiplies bfloat16 matrices at least 1.5 times as fast as float32 ones."""
    import torch

    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.randn(4096, 256, dtype=dtype), torch.randn(256, 640, dtype=dtype)
        _ = a @ b
        start = time.perf_counter()
        for _ in range(10):
            _ = a @ b
        seconds[dtype] = time.perf_counter() - start
    return seconds[torch.float32] > 1.5 * seconds[torch.bfloat16]
