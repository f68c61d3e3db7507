"""What to say about a key that is not ours: words of other tools, code hooks, secrets, look-alike letters,
typos.
"""

from __future__ import annotations

import difflib
import re
import unicodedata

from finetune.recipe.data_words import CHECKS, COLUMN_WORDS
from finetune.recipe.words import SECTIONS, Recipe, section_of

# Words of other tools -> our word and, where it helps, what differs. "" means: there is no such setting here.
FOREIGN: dict[str, tuple[str, str]] = {
    "model_name_or_path": ("base.model", ""),
    "model_name": ("base.model", ""),
    "base_model": ("base.model", ""),
    "pretrained_model_name_or_path": ("base.model", ""),
    "model_revision": ("base.revision", ""),
    "load_in_4bit": ("base.quantization", "quantization: 4bit"),
    "load_in_8bit": ("base.quantization", "quantization: 8bit"),
    "quantization_bit": ("base.quantization", ""),
    "template": ("base.chat_template", ""),
    "enable_thinking": ("base.thinking", "thinking: off"),
    "dataset": ("data.train", "the path of the file"),
    "datasets": ("data.train", "the path of the file, or a list"),
    "dataset_name": ("data.train", "the path of the file"),
    "dataset_path": ("data.train", ""),
    "train_file": ("data.train", ""),
    "train_data": ("data.train", ""),
    "val_size": ("data.held_out", "a share such as 0.1"),
    "val_set_size": ("data.held_out", "a share such as 0.1"),
    "eval_dataset": ("data.held_out", "a share or a path"),
    "validation_file": ("data.held_out", "a path"),
    "test_size": ("data.held_out", "a share such as 0.1"),
    "cutoff_len": ("data.max_length", "tokens"),
    "max_seq_length": ("data.max_length", "tokens"),
    "max_seq_len": ("data.max_length", "tokens"),
    "sequence_len": ("data.max_length", "tokens"),
    "model_max_length": ("data.max_length", "tokens"),
    "default_system": ("data.system_prompt", ""),
    "lora_r": ("adapter.r", ""),
    "lora_rank": ("adapter.r", ""),
    "rank": ("adapter.r", ""),
    "lora_alpha": ("adapter.alpha", ""),
    "lora_dropout": ("adapter.dropout", ""),
    "lora_target": ("adapter.target_modules", ""),
    "lora_target_modules": ("adapter.target_modules", ""),
    "lora_target_linear": ("adapter.target_modules", "target_modules: all-linear"),
    "use_rslora": ("adapter.method", "method: rslora"),
    "use_dora": ("adapter.method", "method: dora"),
    "lora": ("adapter", "method: lora"),
    "peft": ("adapter", ""),
    "finetuning_type": ("adapter.method", ""),
    "stage": ("train.method", ""),
    "num_train_epochs": ("train.epochs", ""),
    "num_epochs": ("train.epochs", ""),
    "max_steps": ("train.epochs", "a part of an epoch such as 0.5 is allowed"),
    "lr": ("train.learning_rate", ""),
    "per_device_train_batch_size": ("train.batch_size", "examples per optimizer step, whatever the hardware"),
    "per_device_batch_size": ("train.batch_size", "examples per optimizer step, whatever the hardware"),
    "micro_batch_size": ("hardware.micro_batch", "only if the kit's own choice must be overruled"),
    "gradient_accumulation_steps": (
        "train.batch_size",
        "the kit splits it over the hardware, so accumulation is never set by hand",
    ),
    "warmup_ratio": ("train.warmup", "a share of all steps"),
    "warmup_steps": ("train.warmup", "a share of all steps such as 0.03"),
    "lr_scheduler_type": ("train.schedule", ""),
    "lr_scheduler": ("train.schedule", ""),
    "save_steps": ("train.save_every", ""),
    "logging_steps": ("train.log_every", ""),
    "random_seed": ("train.seed", ""),
    "output_dir": ("", "give --output DIR on the command line"),
    "overwrite_output_dir": ("", "a run folder is never overwritten; give --output DIR on the command line"),
    "resume_from_checkpoint": ("", "give --resume on the command line"),
    "bf16": ("hardware.dtype", "dtype: bfloat16, or leave it to the kit"),
    "fp16": ("hardware.dtype", "dtype: float16, or leave it to the kit"),
    "torch_dtype": ("hardware.dtype", ""),
    "attn_implementation": ("hardware.attention", ""),
    "flash_attn": ("hardware.attention", ""),
    "sample_packing": ("hardware.packing", "packing: prefix, or leave it to the kit"),
    "neat_packing": ("hardware.packing", "packing: plain, or leave it to the kit"),
    "padding_free": ("hardware.packing", "packing: plain, or leave it to the kit"),
    "group_by_length": ("", "delete it; rows of like length share a pass anyway"),
    "max_tokens_per_batch": ("hardware.pass_tokens", "only if the kit's own choice must be overruled"),
    "num_processes": ("hardware.processes", ""),
    "gradient_checkpointing": ("", "delete it; the kit saves memory where the machine needs it"),
    "optim": ("", "delete it; the kit uses AdamW"),
    "optimizer": ("", "delete it; the kit uses AdamW"),
    "deepspeed": ("", "delete it; a recipe holds no hardware set-up"),
    "fsdp": ("", "delete it; a recipe holds no hardware set-up"),
    "accelerate_config": ("", "delete it; a recipe holds no hardware set-up"),
    "eval_steps": ("train.evaluate_every", "optimizer steps"),
    "evaluation_strategy": ("train.evaluate_every", "optimizer steps, or leave it to the kit"),
    "eval_strategy": ("train.evaluate_every", "optimizer steps, or leave it to the kit"),
    "load_best_model_at_end": ("train.keep", "keep: best"),
    "early_stopping_patience": ("train.early_stop", "held-out points without a lower loss"),
    "report_to": ("train.trackers", "trackers: [tensorboard]"),
    "wandb_project": ("", "delete it; set WANDB_PROJECT in the shell, and train.trackers: [wandb]"),
    "push_to_hub": ("", "use finetune share once the run is done"),
    "hub_model_id": ("", "use finetune share once the run is done"),
    "do_train": ("", "delete it; finetune run trains and evaluates"),
    "do_eval": ("", "delete it; finetune run trains and evaluates"),
}

# Words whose values were, or are elsewhere, yes or no: what these mean here.
INSTEAD_OF_BOOL: dict[tuple[str, ...], dict[bool, str]] = {
    ("hardware", "packing"): {True: "prefix", False: "off"},
}

_NO_ENVIRONMENT = ("a recipe sets no environment variables", "set them in the shell, before the command")
_NO_CODE = ("a recipe runs no code", "delete it; code belongs in a program that imports finetune")
NO_REMOTE_CODE = (
    "a recipe cannot allow a model's own code to run: it could do anything on this machine, and changes with its hub",
    "delete it; Aquila, openPangu, ERNIE and InternLM load without it, and another base does once it is converted to "
    "a layout that transformers knows (docs/families.md)",
)
_CODE_WORDS = [
    "plugin", "plugins", "hook", "hooks", "callback", "callbacks", "import", "imports", "code", "custom_code",
    "script", "scripts", "command", "commands", "exec", "python", "module", "modules",
]  # fmt: skip
FORBIDDEN: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("env", "environment", "env_vars", "environ"), _NO_ENVIRONMENT),
    **dict.fromkeys(_CODE_WORDS, _NO_CODE),
    **dict.fromkeys(("trust_remote_code", "trust_code", "allow_remote_code"), NO_REMOTE_CODE),
}

# Each pattern is a secret by its own shape, whatever stands around it.
_SECRET = re.compile(
    r"hf_[A-Za-z0-9]{20,}|hf_oauth_\w{10,}|\bsk-[A-Za-z0-9_-]{16,}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{20,}|\bglpat-[\w-]{16,}|\bxox[abeprs]-[\w-]{10,}"
    r"|\bAIza[\w-]{30,}|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}|-----BEGIN (?:[A-Z]+ ){0,3}PRIVATE KEY"
    r"|(?i:key|token|wandb|secret|password)[^\w\n]{0,6}[0-9a-f]{40}\b"
    r"|https?://[^\s/:@]{1,80}:[^\s/@]{1,80}@"
)
SECRET_KEY = re.compile(
    r"(?i)(?:^|_|-)(?:password|passwd|passphrase|secret|api_?key|token|access_?key|private_?key|credentials?)$"
)
HIDDEN = "<hidden>"


def find_secret(text: str) -> int | None:
    """Offset of the first thing in `text` that looks like a password or an access token; None when there is
    none.
    """
    match = _SECRET.search(text)
    return match.start() if match else None


def odd_letters(text: str) -> str:
    """Names the characters outside ASCII that may hide in a key: `U+0430 CYRILLIC SMALL LETTER A`. Empty if
    none.
    """
    odd = dict.fromkeys(char for char in text if not (" " <= char <= "~"))
    names = [f"U+{ord(char):04X} {unicodedata.name(char, 'CONTROL CHARACTER')}" for char in odd]
    return ", ".join(names[:3])


def _allowed(path: tuple) -> list[str]:
    if path == ("data", "columns"):
        return list(COLUMN_WORDS)
    if path == ("data", "checks"):
        return list(CHECKS)
    model = section_of(path)
    return list(model.model_fields) if model else []


def near(word: str, words: list[str], cutoff: float = 0.6) -> str:
    """The most similar of `words`, or "" when none is similar enough."""
    matches = difflib.get_close_matches(word.lower().replace("-", "_"), words, 1, cutoff)
    return matches[0] if matches else ""


def _home_of(word: str, path: tuple) -> str:
    """The section that knows `word`, when it is not the one at `path`; "top" for a word of the first
    level.
    """
    homes = [name for name, model in SECTIONS.items() if word in model.model_fields and (name,) != path[:1]]
    if word in Recipe.model_fields and path:
        return "top"
    return homes[0] if homes else ""


def unknown_key(path: tuple, word: str) -> tuple[str, str]:
    """What is wrong with the key `word` under `path`, and the fix. The best explanation comes first."""
    plain = word.strip()
    if plain in FORBIDDEN:
        return FORBIDDEN[plain]
    odd = odd_letters(word)
    letters = "".join(char for char in word if " " <= char <= "~").strip()
    if odd:
        guess = letters if letters in _allowed(path) else near(word, _allowed(path))
        return f"unknown key; it holds {odd}" + (f"; did you mean '{guess}'?" if guess else ""), ""
    allowed = _allowed(path)
    home = _home_of(plain, path) if plain not in allowed else ""
    if home == "top":
        return f"unknown key; '{plain}' belongs at the top level", ""
    if home:
        return f"unknown key; belongs under {home}", f"write {home}.{plain}"
    if plain in FOREIGN and plain not in allowed:
        return _foreign(plain)
    guess = near(plain, allowed)
    if guess:
        return f"unknown key; did you mean '{guess}'?", ""
    for name, model in SECTIONS.items():
        guess = near(plain, list(model.model_fields), 0.8) if path[:1] != (name,) else ""
        if guess:
            return f"unknown key; did you mean '{name}.{guess}'?", ""
    return "unknown key", "use one of " + ", ".join(allowed) if allowed else "delete it"


def _foreign(word: str) -> tuple[str, str]:
    ours, remark = FOREIGN[word]
    if not ours:
        return "unknown key; another tool's word", remark
    return f"unknown key; another tool's word for {ours}", f"write {ours}" + (f" ({remark})" if remark else "")
