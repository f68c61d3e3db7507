"""One training by TRL's SFTTrainer, in a process of its own: trl_run.py SETTINGS.json (see contenders/trl.py)."""

import importlib
import json
import sys
from pathlib import Path


def main(settings: dict) -> None:
    """Train one epoch, then write the losses and the work of every step beside the settings."""
    words = dict(settings["words"])
    faster = words.pop("unsloth", False)
    if faster:
        importlib.import_module("unsloth")  # it asks to be imported before what it patches
    from datasets import load_dataset
    from trl import SFTConfig, SFTTrainer

    folder = Path(settings["folder"])
    words = {
        "output_dir": str(folder / "out"),
        "num_train_epochs": 1,
        "per_device_train_batch_size": settings["examples_per_step"],
        "learning_rate": settings["learning_rate"],
        "lr_scheduler_type": "constant",
        "max_length": max(1024, settings["longest_tokens"]),
        "assistant_only_loss": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "seed": settings["seed"],
        # Without this word its default bf16 refuses to start where no GPU is.
        "use_cpu": settings["device"] == "cpu",
        **words,
    }
    rows = load_dataset("json", data_files=settings["rows"], split="train").select_columns(["messages"])
    if words.get("packing"):
        words["per_device_train_batch_size"] = packs_a_step(settings, rows, words["max_length"])
    parts = unsloth_model(settings, words["max_length"]) if faster else plain_model(settings)
    trainer = SFTTrainer(args=SFTConfig(**words), train_dataset=rows, **parts)
    work: list[dict] = []
    collate = trainer.data_collator

    def counted(examples):
        """What the trainer is about to see, counted on the way."""
        batch = collate(examples)
        work.append(count(batch))
        return batch

    trainer.data_collator = counted
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    (folder / "told.json").write_text(json.dumps({"losses": losses, "work": work}), encoding="utf-8")


def plain_model(settings: dict) -> dict:
    """The folder and the adapter's settings, for TRL to load as it likes."""
    from peft import LoraConfig

    adapter = LoraConfig(
        r=settings["rank"], lora_alpha=settings["alpha"], target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return {"model": settings["base"], "peft_config": adapter}


def unsloth_model(settings: dict, longest_tokens: int) -> dict:
    """Base and adapter through Unsloth's loader, with its recommended settings. Not measured."""
    loader = importlib.import_module("unsloth").FastLanguageModel
    model, tokenizer = loader.from_pretrained(
        settings["base"], max_seq_length=longest_tokens, load_in_4bit=False, dtype=None
    )
    model = loader.get_peft_model(
        model,
        r=settings["rank"],
        lora_alpha=settings["alpha"],
        lora_dropout=0,
        bias="none",
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        use_gradient_checkpointing="unsloth",
        random_state=settings["seed"],
    )
    return {"model": model, "processing_class": tokenizer}


def packs_a_step(settings: dict, rows, longest_tokens: int) -> int:
    """Packs so that a step holds about as many examples as the others' steps: TRL counts packs, not examples."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import pack_dataset

    tokenizer = AutoTokenizer.from_pretrained(settings["base"])
    ids = [tokenizer.apply_chat_template(row["messages"], return_dict=True)["input_ids"] for row in rows]
    packs = pack_dataset(Dataset.from_dict({"input_ids": ids}), longest_tokens, "bfd")
    return -(-len(packs) // settings["num_steps"])


def count(batch) -> dict:
    """Examples, tokens and labels of one batch, padded or flattened."""
    labels = int((batch["labels"] != -100).sum())
    if "attention_mask" in batch:
        return {"examples": len(batch["labels"]), "tokens": int(batch["attention_mask"].sum()), "supervised": labels}
    starts = int((batch["position_ids"] == 0).sum())
    return {"examples": starts, "tokens": batch["input_ids"].numel(), "supervised": labels}


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_bytes()))
