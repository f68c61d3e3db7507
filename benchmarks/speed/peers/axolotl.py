"""axolotl: `axolotl train`, transformers' Trainer and peft underneath.

Repairs: none to install. Its Triton kernels for LoRA switch themselves on and end the run without CUDA
("AssertionError: Torch not compiled with CUDA enabled"): lora_mlp_kernel, lora_qkv_kernel and lora_o_kernel are false.

Settings beside its examples, and why:
    bf16 false, tf32 false: bf16 is slower on CPUs without bfloat16 units;
    micro_batch_size 2 as in its examples ("axolotl"), and 1 ("axolotl-micro1"), where nothing is padded;
    no gradient checkpointing (its default; many of its examples switch it on); sdpa attention: flash attention is for
        GPUs;
    "axolotl-packed" is its sample packing, which works with sdpa as well: one pack a step, so the rows of a step are
        eight on average only;
    chat_template tokenizer_default: its own code renders with the base's template; only the answer is trained;
    constant learning rate without warm-up, AdamW without weight decay, LoRA on all linear layers, dropout 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.speed.peers.common import Peer, Setup, losses_of_log, write_json
from benchmarks.speed.protocol import Contender, Job, Launch

SETUP = Setup(
    name="axolotl",
    packages=("axolotl==0.19.0", "torch>=2.6,<2.14"),
    telling=("axolotl", "torch", "transformers", "trl", "peft"),
)


@dataclass(frozen=True)
class Axolotl(Peer):
    """See the module.

    Args:
        micro_batch: rows of one pass; None: one pack a step.
    """

    micro_batch: int | None = 2

    def prepare(self, job: Job) -> Launch:
        """One configuration file; the rows are read as they are."""
        file = write_json(job.folder / "axolotl.yaml", self.configuration(job))
        # As a module: `axolotl train` would start the same in a second process under accelerate.
        words = [str(self.home / "bin" / "python"), "-m", "axolotl.cli.train", str(file)]
        return Launch(words, {"AXOLOTL_DO_NOT_TRACK": "1", "CUDA_VISIBLE_DEVICES": ""})

    def configuration(self, job: Job) -> dict[str, object]:
        """What `train` reads."""
        packed = self.micro_batch is None
        pack_tokens = max(int(job.mean_tokens * job.examples_per_step * 1.05), job.longest_tokens)
        return {
            "base_model": str(job.base),
            "datasets": [
                {
                    "path": str(job.rows),
                    "ds_type": "json",
                    "type": "chat_template",
                    "field_messages": "messages",
                    "roles_to_train": ["assistant"],
                    "train_on_eos": "turn",
                }
            ],
            "chat_template": "tokenizer_default",
            "dataset_prepared_path": str(job.folder / "prepared"),
            "dataset_processes": 1,
            "val_set_size": 0,
            "output_dir": str(job.folder / "out"),
            "sequence_len": pack_tokens if packed else job.longest_tokens + 64,
            "sample_packing": packed,
            "adapter": "lora",
            "lora_r": job.rank,
            "lora_alpha": job.alpha,
            "lora_dropout": 0.0,
            "lora_target_linear": True,
            "lora_mlp_kernel": False,
            "lora_qkv_kernel": False,
            "lora_o_kernel": False,
            "micro_batch_size": self.micro_batch or 1,
            "gradient_accumulation_steps": job.examples_per_step // (self.micro_batch or job.examples_per_step),
            "num_epochs": 1,
            "optimizer": "adamw_torch",
            "weight_decay": 0.0,
            "learning_rate": job.learning_rate,
            "lr_scheduler": "constant",
            "bf16": False,
            "fp16": False,
            "tf32": False,
            "gradient_checkpointing": False,
            "sdp_attention": True,
            "logging_steps": 1,
            "save_strategy": "no",
            "seed": job.seed,
        }

    def losses(self, job: Job) -> list[float] | None:
        """As its Trainer prints them."""
        return losses_of_log(job)


def contenders() -> list[Contender]:
    """Two rows a pass, as its examples; one; and its packing."""
    shared = "its LoRA kernels off (they need a GPU), float32, no gradient checkpointing, sdpa"
    return [
        Axolotl("axolotl", SETUP, f"micro batch 2 (as its examples), padded; {shared}"),
        Axolotl("axolotl-micro1", SETUP, f"micro batch 1, no padding; {shared}", micro_batch=1),
        Axolotl("axolotl-packed", SETUP, f"packed: 8 rows a step on average only; {shared}", micro_batch=None),
    ]
