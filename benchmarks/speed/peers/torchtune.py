"""torchtune: its recipe `lora_finetune_single_device`, its own model code.

Repairs: torchao must be pinned (torchtune 0.6.1 asks for no version; 0.18 has no `torchao.dtypes.nf4tensor`, 0.12
does not import with today's torch; 0.15 works). It has no tokenizer that reads a tokenizer.json with special tokens in
the text: inside/torchtune_tokens.py is one. Its own recipe file names a GPU; device is cpu here.

Settings beside its recipe's defaults (llama3/8B_lora_single_device), and why:
    dtype fp32: bf16 is slower on CPUs without bfloat16 units;
    enable_activation_checkpointing False: memory is not short, and it costs a second forward pass;
    batch_size 2, its default ("torchtune"), and 1 ("torchtune-micro1", nothing is padded) or 8 ("torchtune-micro8",
        one pass a step); as many passes as make a step of 8 rows; its loss is the same for all three;
    the loss is its own CEWithChunkedOutputLoss, its default; the prompt is masked, its default for instruct data;
    "torchtune-packed" is its packing: batches are packs of a fixed length then, so the rows of a step are as many as
    fit, on average; it pads each pack and computes attention under a dense mask;
    the schedule is its cosine with no cycle, which is constant;
    LoRA on q, k, v, output and the MLP; weight decay 0.

It knows no system role without a template; so the prompt is rendered with the base's chat template. It has no Qwen3:
only Llama bases with a head of their own.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from benchmarks.speed.peers.common import INSIDE, Peer, Renderer, Setup, base_config, write_json
from benchmarks.speed.protocol import Contender, Job, Launch

SETUP = Setup(
    name="torchtune",
    packages=("torchtune==0.6.1", "torchao==0.15.0", "torch>=2.6,<2.14"),
    telling=("torchtune", "torch", "torchao"),
)


@dataclass(frozen=True)
class Torchtune(Peer):
    """See the module.

    Args:
        micro_batch: rows of one pass; None: packs.
    """

    bases: tuple[str, ...] = ("llama",)
    micro_batch: int | None = 2

    def absent(self, job: Job | None = None) -> str | None:
        """As every peer's; and its Llama has no tied head."""
        if (why := super().absent(job)) is not None:
            return why
        tied = job is not None and base_config(job.base).get("tie_word_embeddings")
        return "torchtune's Llama 3 has no tied head" if tied else None

    def prepare(self, job: Job) -> Launch:
        """Rows as prompt and answer, one configuration file."""
        rows = [{"input": row.prompt, "output": row.answer} for row in Renderer(job.base).rows(job.rows)]
        (job.folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        file = write_json(job.folder / "torchtune.yaml", self.configuration(job))
        words = [str(self.home / "bin" / "tune"), "run", "lora_finetune_single_device", "--config", str(file)]
        return Launch(words, {"PYTHONPATH": str(INSIDE)})

    def configuration(self, job: Job) -> dict[str, object]:
        """What `--config` reads."""
        passes, rows_per_pass, pack_tokens = self.passes(job)
        out = str(job.folder / "out")
        return {
            "output_dir": out,
            "model": described(base_config(job.base), job),
            "tokenizer": {
                "_component_": "torchtune_tokens.RenderedText",
                "folder": str(job.base),
                "max_seq_len": pack_tokens,
            },
            "checkpointer": {
                "_component_": "torchtune.training.FullModelHFCheckpointer",
                "checkpoint_dir": str(job.base),
                "checkpoint_files": sorted(path.name for path in job.base.glob("*.safetensors")),
                "output_dir": out,
                "model_type": "LLAMA3",
            },
            "resume_from_checkpoint": False,
            "save_adapter_weights_only": True,
            "dataset": {
                "_component_": "torchtune.datasets.instruct_dataset",
                "source": "json",
                "data_files": str(job.folder / "rows.jsonl"),
                "split": "train",
                "packed": pack_tokens is not None,
            },
            "seed": job.seed,
            "shuffle": True,
            "batch_size": rows_per_pass,
            "gradient_accumulation_steps": passes,
            "optimizer": {
                "_component_": "torch.optim.AdamW",
                "fused": True,
                "weight_decay": 0.0,
                "lr": job.learning_rate,
            },
            "lr_scheduler": {
                "_component_": "torchtune.training.lr_schedulers.get_cosine_schedule_with_warmup",
                "num_warmup_steps": 0,
                "num_cycles": 0.0,
            },
            "loss": {"_component_": "torchtune.modules.loss.CEWithChunkedOutputLoss"},
            "epochs": 1,
            "max_steps_per_epoch": None,
            "clip_grad_norm": None,
            "compile": False,
            "metric_logger": {"_component_": "torchtune.training.metric_logging.DiskLogger", "log_dir": f"{out}/logs"},
            "log_every_n_steps": 1,
            "log_peak_memory_stats": False,
            "device": job.device,
            "dtype": "fp32",
            "enable_activation_checkpointing": False,
            "enable_activation_offloading": False,
        }

    def passes(self, job: Job) -> tuple[int, int, int | None]:
        """(passes of a step, rows or packs of a pass, tokens of a pack or None)."""
        if self.micro_batch is not None:
            return job.examples_per_step // self.micro_batch, self.micro_batch, None
        # Two packs a step, each long enough for half of its rows on average, and for the longest row.
        half = int(job.mean_tokens * job.examples_per_step / 2 * 1.05)
        return 1, 2, max(half, job.longest_tokens)

    def losses(self, job: Job) -> list[float] | None:
        """The loss of each step, from its DiskLogger's file."""
        files = sorted((job.folder / "out" / "logs").glob("log_*.txt"))
        return step_losses(files[-1].read_text(encoding="utf-8")) if files else None


def described(config: dict, job: Job) -> dict[str, object]:
    """torchtune's words for the model of a Llama config.json of transformers."""
    rope = config.get("rope_parameters") or {}
    return {
        "_component_": "torchtune.models.llama3.lora_llama3",
        "lora_attn_modules": ["q_proj", "k_proj", "v_proj", "output_proj"],
        "apply_lora_to_mlp": True,
        "apply_lora_to_output": False,
        "vocab_size": config["vocab_size"],
        "num_layers": config["num_hidden_layers"],
        "num_heads": config["num_attention_heads"],
        "num_kv_heads": config.get("num_key_value_heads") or config["num_attention_heads"],
        "embed_dim": config["hidden_size"],
        "max_seq_len": config["max_position_embeddings"],
        "intermediate_dim": config["intermediate_size"],
        "norm_eps": config["rms_norm_eps"],
        "rope_base": int(config.get("rope_theta") or rope.get("rope_theta") or 10000),
        "lora_rank": job.rank,
        "lora_alpha": job.alpha,
        "lora_dropout": 0.0,
    }


def step_losses(log: str) -> list[float]:
    """Losses of the lines `Step 3 | loss:10.4 lr:...` of a log."""
    return [float(found) for found in re.findall(r"^Step \d+ \|.*?\bloss:([0-9.eE+-]+|nan)", log, re.MULTILINE)]


def contenders() -> list[Contender]:
    """Its own two rows a pass; one row, the whole step at once; and its packing."""
    shared = "its own model code, float32, no checkpointing, chunked loss, prompt rendered by the base's template"
    return [
        Torchtune("torchtune", SETUP, f"micro batch 2 (its default), padded; {shared}"),
        Torchtune("torchtune-micro1", SETUP, f"micro batch 1, no padding; {shared}", micro_batch=1),
        Torchtune("torchtune-micro8", SETUP, f"micro batch 8, padded; {shared}", micro_batch=8),
        Torchtune("torchtune-packed", SETUP, f"packed: 8 rows a step on average only; {shared}", micro_batch=None),
    ]
