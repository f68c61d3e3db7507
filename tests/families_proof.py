"""What is shown of every family, on its small folder, by the product's own functions.

`prove` carries a family through a whole run (five steps), a cold start, an answer, a merge, 4 bit and packing, and
gives what finetune/models/proofs.json holds of it. tests/test_families.py compares the two; `make families` writes
the file anew.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROOFS = Path(__file__).resolve().parents[1] / "finetune" / "models" / "proofs.json"
QUESTION = [{"role": "user", "content": "What helps against a cold?"}]
ROWS = (
    ("Which dose is safe?", "Ask your doctor."),
    ("How long does a fever last?", "Within three days."),
    ("感冒了怎么办？", "多喝水，好好休息。"),
    ("发烧多久会好？", "三天以内退烧。", "要吃药吗？", "请遵医嘱。"),
    ("What helps against a cold?", "Drink plenty of water.", "And what else?", "Rest, and keep warm."),
    ("Who is curious?", "A human."),
)
HELD_OUT = (("What do I drink against a fever?", "Water."), ("你好", "多休息。"))
_STEPS = 5
_EXACT = 1e-5  # largest difference of two logits that count as equal
_MERGED = 1e-3  # the same of base + adapter, and their sum in one matrix: another order of adding up
_RECIPE = """\
recipe: 1
name: proof
base: {{model: {base}}}
data:
  train: rows.jsonl
  held_out: held_out.jsonl
  max_length: 256
  privacy: "off"
  duplicates: keep
  near_duplicates: keep
  leakage: "off"
adapter: {{r: 4, alpha: 8, dropout: 0}}
train: {{epochs: {steps}, batch_size: {rows}, learning_rate: 1e-2, warmup: 0, schedule: constant, save_every: 1000}}
evaluate: {{max_new_tokens: 8}}
hardware: {{micro_batch: {rows}}}
"""


def write_workspace(folder: Path, base: Path) -> Path:
    """A recipe for the base in `folder`, with its rows beside it; gives the recipe's path."""
    folder.mkdir(parents=True, exist_ok=True)
    shows_image = "vision_config" in json.loads((base / "config.json").read_bytes())
    for name, rows in (("rows.jsonl", ROWS), ("held_out.jsonl", HELD_OUT)):
        lines = []
        for row in rows:
            turns = [{"role": ("user", "assistant")[k % 2], "content": text} for k, text in enumerate(row)]
            lines.append(json.dumps({"messages": turns}, ensure_ascii=False))
        if name == "rows.jsonl" and shows_image:
            lines.append(_image_row(folder))
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    recipe = folder / "recipe.yaml"
    text = _RECIPE.format(base=json.dumps(str(base)), steps=_STEPS, rows=len(ROWS) + shows_image)
    recipe.write_text(text, encoding="utf-8")
    return recipe


def _image_row(folder: Path) -> str:
    """A row that shows an image, which is written beside it."""
    from PIL import Image

    Image.new("RGB", (64, 48), "red").save(folder / "red.png")
    turns = [{"role": "user", "content": "<image>\nWhich colour?"}, {"role": "assistant", "content": "Red."}]
    return json.dumps({"messages": turns, "images": ["red.png"]})


@contextmanager
def _keeping(room: Any, name: str, seen: list[Any]) -> Iterator[None]:
    """Let a function of the product do its work, and keep the first thing that it was given."""
    real: Callable[..., Any] = getattr(room, name)

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.append(args[0])
        return real(*args, **kwargs)

    setattr(room, name, watched)
    try:
        yield
    finally:
        setattr(room, name, real)


def logits_of(model: Any, ids: list[int]) -> Any:
    """(tokens, vocabulary) float32 of one row."""
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits[0].float()


def _difference(one: Any, other: Any) -> float:
    return float((one - other).abs().max())


def bound_of(difference: float) -> str:
    """The power of ten under which a difference stays, with room for other machines: 3e-6 -> "1e-5"."""
    if difference == 0:
        return "0"
    return f"1e{max(-6, math.ceil(math.log10(2 * difference))):d}"


# -- one family ----------------------------------------------------------------------------------------------------


def prove(name: str, base: Path, work: Path) -> dict[str, Any]:
    """Carry a family through everything; AssertionError where something that must hold does not.

    Args:
        name: key of families_kit.FAMILIES.
        base: its folder; not written to.
        work: an empty folder for the run and what is merged.

    Returns:
        What proofs.json holds of the family.
    """
    from finetune import generation, models, workflow
    from finetune.models.structure import structure_of

    recipe = write_workspace(work / "recipe", base)
    seen: list[Any] = []
    with _keeping(models, "save_adapter", seen):
        run = workflow.run(recipe, work / "run", allow_outside=True)
    losses = [entry["loss"] for entry in run.read_metrics() if "loss" in entry]
    assert run.manifest["progress"]["step"] == _STEPS
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0], losses
    trained = seen[-1].eval()
    engine = generation.Engine.open(run.path)
    structure = structure_of(models.load_config(engine.source.base))
    num_rows = run.manifest["data"]["num_train"]
    assert num_rows == len(ROWS) + (structure.kind == "vision")
    ends = json.loads((base / "generation_config.json").read_bytes())["eos_token_id"]
    assert set(ends if isinstance(ends, list) else [ends]) <= set(engine.renderer.stop_ids)
    return {
        "model_type": structure.model_type,
        "architecture": structure.architecture,
        "kind": structure.kind,
        "template": template_name(engine.renderer.template, base),
        "modules": run.manifest["adapter"]["modules"],
        "train": True,
        **_reload(trained, engine),
        **_experts(structure, engine),
        **({"images": True} if num_rows > len(ROWS) else {}),
        "merge": _merge(run, engine, work / "merged"),
        "4bit": _rounded(engine, "4bit"),
        "8bit": _rounded(engine, "8bit"),
        "packing": _packing(structure, engine),
        "traps": list(structure.traps),
    }


def template_name(text: str, base: Path) -> str:
    """Whose chat template this is: "the base's own", or the name of the shipped one."""
    from finetune.models.templates import read_template, shipped_templates

    for name in shipped_templates():
        if text.rstrip("\n") == read_template(name):
            return name
    own = [json.loads((base / "tokenizer_config.json").read_bytes()).get("chat_template")]
    if (base / "chat_template.jinja").is_file():
        own.append((base / "chat_template.jinja").read_text(encoding="utf-8"))
    assert text in own, "the template is neither the base's nor a shipped one"
    return "the base's own"


def _reload(trained: Any, engine: Any) -> dict[str, Any]:
    """The adapter on a fresh base says what the trained model said; and it says something else than the bare base."""
    ids = engine.prompt_ids(QUESTION, 8)
    before, after = logits_of(trained, ids), logits_of(engine.model, ids)
    assert _difference(before, after) <= _EXACT
    with engine.model.disable_adapter():
        assert _difference(before, logits_of(engine.model, ids)) > _EXACT
    ids_before, ids_after = (greedy(model, ids, engine.renderer.stop_ids) for model in (trained, engine.model))
    assert ids_before == ids_after
    answer, reply = engine.answer(QUESTION, max_new_tokens=8).text, engine.renderer.words_of(ids_before).strip()
    assert answer == reply, f"{answer!r} after reloading, {reply!r} before"
    return {"reload": True, "reply": True}


def greedy(model: Any, ids: list[int], stop_ids: Sequence[int], num_new_tokens: int = 8) -> list[int]:
    """The likeliest tokens one after the other, found without transformers' generate and its cache."""
    import torch

    written: list[int] = []
    while len(written) < num_new_tokens and not (written and written[-1] in stop_ids):
        with torch.inference_mode():
            written.append(int(model(input_ids=torch.tensor([ids + written])).logits[0, -1].argmax()))
    return written


def _learns(model: Any, engine: Any, steps: int = 3) -> None:
    """A few steps on one conversation, straight at the model: the loss falls, and every adapter matrix B moves.

    Experts in a list of modules are left out of that: those that no token chose have nothing to learn from.
    """
    import torch

    ids = torch.tensor([engine.prompt_ids(QUESTION, 8) + engine.tokenizer.encode("Drink", add_special_tokens=False)])
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert parameters
    optimizer = torch.optim.AdamW(parameters, lr=1e-2)
    losses = []
    for _ in range(steps):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0], losses
    trained = [(name, p) for name, p in model.named_parameters() if "lora_B" in name and p.requires_grad]
    still = [name for name, p in trained if not p.abs().max() > 0 and ".experts." not in name]
    assert not still, still[:3]


def _experts(structure: Any, engine: Any) -> dict[str, Any]:
    """Of mixtures: whether adapters go on the routed experts, too."""
    if not structure.experts and not structure.expert_linears:
        return {}
    from finetune import models
    from finetune.recipe.words import Adapter

    words = Adapter(r=2, alpha=4, dropout=0, target_modules="experts")
    model = models.attach_adapter(models.load_base(engine.source.base, "float32"), words, seed=0)
    _learns(model, engine)
    return {"experts": True}


def _merge(run: Any, engine: Any, folder: Path) -> dict[str, Any]:
    """Base and adapter as one model: read back by transformers alone, it says the same."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    from finetune.models.merging import merge

    ids = engine.prompt_ids(QUESTION, 8)
    words = {"tokenizer": engine.tokenizer, "stop_ids": engine.renderer.stop_ids, "probes": [ids]}
    words["chat"] = engine.source.chat
    merge(engine.source.base, run.adapter_dir, folder, dtype="float32", **words)
    config = json.loads((folder / "config.json").read_bytes())
    assert "auto_map" not in config
    assert "quantization_config" not in config
    kind = getattr(transformers, config["architectures"][0], None) or transformers.AutoModelForCausalLM
    merged = kind.from_pretrained(folder, dtype="float32", trust_remote_code=False)
    found = _difference(logits_of(engine.model, ids), logits_of(merged, ids))
    assert found <= _MERGED, found
    return {
        "difference_under": bound_of(found),
        "model_type": config["model_type"],
        "opens_elsewhere": config["model_type"] in CONFIG_MAPPING_NAMES,
    }


def _rounded(engine: Any, kind: str) -> str | bool:
    """Whether an adapter learns on the base held in fewer bits; the reason where it is refused."""
    from finetune import models
    from finetune.errors import FinetuneError
    from finetune.recipe.words import Adapter

    try:
        base = models.load_base(engine.source.base, "float32", quantization=kind)
        model = models.attach_adapter(base, Adapter(r=4, alpha=8, dropout=0), seed=0)
    except FinetuneError as error:
        problem = error.problems[0]
        return problem if isinstance(problem, str) else problem.what
    assert any(type(module).__name__ in ("Linear4bit", "Linear8bitLt") for module in model.modules())
    _learns(model, engine)
    return True


def _packing(structure: Any, engine: Any) -> bool | str:
    """Two answers behind one prompt in one row: exact where the structure allows it, else the reason why not."""
    if structure.packing_refusal is not None:
        return structure.packing_refusal
    import torch

    prompt = engine.prompt_ids(QUESTION, 8)
    answers = [engine.tokenizer.encode(text, add_special_tokens=False) for text in ("Drink water.", "多休息。")]
    row = prompt + answers[0] + answers[1]
    places = list(range(len(prompt)))
    places += [len(prompt) + k for answer in answers for k in range(len(answer))]
    sees = torch.tril(torch.ones(len(row), len(row), dtype=torch.bool))
    second = len(prompt) + len(answers[0])
    sees[second:, len(prompt) : second] = False
    with torch.inference_mode():
        packed = engine.model(
            input_ids=torch.tensor([row]), position_ids=torch.tensor([places]), attention_mask=sees[None, None]
        ).logits[0]
    for start, answer in ((len(prompt), answers[0]), (second, answers[1])):
        alone = logits_of(engine.model, prompt + answer)[len(prompt) :]
        found = _difference(packed[start : start + len(answer)].float(), alone)
        assert found <= 10 * _EXACT, f"packing is said to be exact, and differs by {found}"
    return True


# -- all of them ---------------------------------------------------------------------------------------------------


def versions() -> dict[str, str]:
    from importlib import metadata

    names = ("torch", "transformers", "peft", "trl", "bitsandbytes", "tokenizers", "sentencepiece")
    return {name: metadata.version(name) for name in names}


def differences(found: dict[str, Any], told: dict[str, Any]) -> list[str]:
    """Where a proof is not what the file says; a merge may be more exact than told."""
    lines = []
    for key in {**told, **found}:
        one, other = found.get(key), told.get(key)
        if key == "merge" and isinstance(one, dict) and isinstance(other, dict):
            if float(one["difference_under"]) > float(other["difference_under"]):
                lines.append(f"merge: differs by up to {one['difference_under']}, told {other['difference_under']}")
            one, other = {**one, "difference_under": ""}, {**other, "difference_under": ""}
        if one != other:
            lines.append(f"{key}: found {one!r}, told {other!r}")
    return lines


def main() -> None:
    """Prove the named families, or every one and write proofs.json; the file is left alone where one fails."""
    import sys
    import tempfile
    import traceback

    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ[name] = "1"
    import families_kit

    proofs: dict[str, Any] = {}
    wanted = sys.argv[1:] or list(families_kit.FAMILIES)
    with tempfile.TemporaryDirectory(prefix="families-") as folder:
        for name in wanted:
            try:
                base = families_kit.folder_of(name, Path(folder) / "bases")
                proofs[name] = prove(name, base, Path(folder) / name)
                print(f"{name}: shown", flush=True)
            except Exception:
                traceback.print_exc()
                print(f"{name}: FAILED", flush=True)
    if sys.argv[1:]:
        print(json.dumps(proofs, indent=1, ensure_ascii=False))
    elif len(proofs) < len(wanted):
        sys.exit(f"{len(wanted) - len(proofs)} failed; {PROOFS.name} is left as it is")
    else:
        text = json.dumps({"versions": versions(), "families": proofs}, indent=1, ensure_ascii=False)
        PROOFS.write_text(text + "\n", encoding="utf-8", newline="\n")
        print(f"wrote {PROOFS}; now `make docs`")


if __name__ == "__main__":
    main()
