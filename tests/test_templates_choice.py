"""Which template a base gets, and what is said of it: by its config, its tokens and what its own template does."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny
from chat_kit import tokenizer_of, trl_template

from finetune.models.templates import shipped_template, shipped_templates
from finetune.models.templates.choosing import choose_template
from finetune.models.tokenizers import dress
from finetune.render import Renderer

OWN = "chat template: the base's own"
LATER = "it writes earlier answers differently once the conversation goes on"


def config(kind: str, **words: Any) -> Any:
    return SimpleNamespace(model_type=kind, **words)


def chosen(kind: str, name: str, template: str | None, **words: Any) -> tuple[str | None, str]:
    choice = choose_template(config(kind, **words), tokenizer_of(name, template))
    return choice.name, choice.note.partition(" (fingerprints")[0]


SHIPPED: dict[str, tuple[str, str, str, str | None, str]] = {
    "Qwen3": ("qwen3", "qwen3", "qwen3", "qwen3",
        f"chat template: the shipped 'qwen3' in place of the base's own, because {LATER}; both ask in the same words, "
        "but thinking: off keeps the empty think block before earlier answers, as it was when they were asked"),
    "Qwen3 Instruct 2507": ("qwen3", "qwen3", "qwen3_instruct_2507", None, OWN),
    "Qwen2.5": ("qwen2", "qwen2_5", "qwen2_5", None, OWN),
    "Llama 3": ("llama", "llama3", "llama3", None, OWN),
    "Llama 3.1, whose date is fixed": ("llama", "llama3_1", "llama3_1", None, OWN),
    "Llama 3.2": ("llama", "llama3_1", "llama3_2", "llama3_1",
        "chat template: the shipped 'llama3_1' in place of the base's own, because it writes the day of asking into "
        "the prompt; both ask in the same words"),
    "gpt-oss": ("gpt_oss", "gpt_oss", "gptoss", "gpt_oss",
        f"chat template: the shipped 'gpt_oss' in place of the base's own, because {LATER}; both ask in the same "
        "words"),
    "Gemma 2": ("gemma2", "gemma", "gemma", "gemma",
        "chat template: the shipped 'gemma' in place of the base's own, because it refuses a system text; both ask in "
        "the same words"),
    "Gemma 3": ("gemma3_text", "gemma", "gemma3", None, OWN),
    "Phi-3": ("phi3", "phi3", "phi3", "phi3",
        f"chat template: the shipped 'phi3' in place of the base's own, because {LATER}; both ask in the same words"),
}  # fmt: skip


@pytest.mark.parametrize("what", SHIPPED)
def test_a_base_with_a_template(what: str) -> None:
    kind, name, copy, expected, note = SHIPPED[what]
    assert chosen(kind, name, trl_template(copy)) == (expected, note)


WITHOUT: dict[str, tuple[str, dict[str, Any], str]] = {
    "AquilaChat2-7B": ("aquila", {"max_position_embeddings": 2048, "num_attention_heads": 32}, "aquila_v1"),
    "AquilaChat2-34B": (
        "aquila",
        {"max_position_embeddings": 4096, "num_attention_heads": 48, "num_key_value_heads": 8, "num_hidden_layers": 60},
        "aquila_legacy",
    ),
    "AquilaChat2-34B-16K": (
        "aquila",
        {"max_position_embeddings": 16384, "num_attention_heads": 48, "num_key_value_heads": 8},
        "aquila",
    ),
    "AquilaChat2-7B-16K, by its scaling": ("aquila", {"rope_scaling": {"type": "linear", "factor": 8.0}}, "aquila"),
    "AquilaChat2-70B-Expr": (
        "aquila",
        {"hidden_size": 8192, "num_attention_heads": 64, "num_key_value_heads": 8, "rope_scaling": None},
        "aquila_v2",
    ),
    "openPangu 1B": ("PanguEmbedded", {"tie_word_embeddings": True}, "openpangu_plain"),
    "openPangu 7B": ("PanguEmbedded", {"tie_word_embeddings": False}, "openpangu"),
    "openPangu Pro-MoE": ("PanguProMoE", {}, "openpangu"),
    "a base with the tokens of ChatML": ("llama", {}, "chatml"),
    "Qwen2.5": ("qwen2", {}, "qwen2_5"),
    "Qwen3": ("qwen3_moe", {}, "qwen3"),
    "SmolLM3": ("smollm3", {}, "smollm3"),
    "ERNIE 4.5": ("ernie4_5_moe", {}, "ernie4_5"),
    "gpt-oss": ("gpt_oss", {}, "gpt_oss"),
    "Gemma": ("gemma3", {}, "gemma"),
    "Phi-3": ("phi3", {}, "phi3"),
    "Phi-4-mini": ("phi3", {}, "phi4_mini"),
    "Phi-4": ("phi3", {}, "phi4"),
    "GLM-4": ("glm4", {}, "glm4"),
    "InternLM": ("internlm3", {}, "internlm"),
    "Mixtral": ("mixtral", {}, "mixtral"),
    "Mistral 0.3": ("mistral", {}, "mistral"),
    "Llama 3": ("llama", {}, "llama3"),
    "Llama 3.2": ("llama", {}, "llama3_1"),
    "any Llama of the first kind": ("llama", {}, "plain"),
}


@pytest.mark.parametrize("what", WITHOUT)
def test_a_base_without_a_template(what: str) -> None:
    kind, words, expected = WITHOUT[what]
    tokenizer = tokenizer_of(expected if expected != "plain" else "llama2")
    choice = choose_template(config(kind, **words), tokenizer)
    assert choice.name == expected and choice.text == shipped_template(expected)
    tokenizer.chat_template = choice.text
    Renderer(tokenizer, {"enable_thinking": False}).render([{"role": "user", "content": "a"}])


def test_aquila_of_the_first_kind_is_known_by_what_its_tokenizer_writes() -> None:
    from tokenizers import processors

    tokenizer = tokenizer_of("aquila")
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in ("[CLS]", "</s>")}
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A </s>", special_tokens=list(ids.items())
    )
    choice = choose_template(config("aquila", max_position_embeddings=2048), tokenizer)
    assert choice.name == "aquila"
    tokenizer.chat_template = choice.text
    # what wraps a single text is not written around a conversation: the family's own code cuts it off
    rendered = Renderer(tokenizer).render([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])
    assert ids["[CLS]"] not in rendered.input_ids and rendered.input_ids.count(ids["</s>"]) == 1


def test_a_conversation_of_ernie_begins_with_its_own_token_alone() -> None:
    tokenizer = tokenizer_of("ernie4_5", shipped_template("ernie4_5"))
    assert tokenizer.encode("a")[0] == tokenizer.bos_token_id
    ids = Renderer(tokenizer).prompt([{"role": "user", "content": "q"}])
    assert ids[0] == tokenizer.cls_token_id and tokenizer.bos_token_id not in ids


def test_fault_74_a_base_without_a_template_and_without_known_tokens_is_told_where_the_known_ones_are() -> None:
    note = dress(tiny.llama2(None))[0]
    assert note == (
        "chat template: the base brings none, so the shipped 'plain' is used; `finetune preview` shows it, "
        "docs/templates.md has others"
    )
    page = (Path(__file__).parent.parent / "docs" / "templates.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in shipped_templates())


def test_a_template_that_asks_in_other_words_is_kept_and_the_reason_told() -> None:
    changed = trl_template("qwen3").replace("<|im_start|>user\\n", "<|im_start|>user \\n")
    own = changed.replace(
        "'<|im_start|>' + message.role + '\\n' + content", "'<|im_start|>' + message.role + ' \\n' + content"
    )
    assert own != trl_template("qwen3")
    choice = choose_template(config("qwen3"), tokenizer_of("qwen3", own))
    assert (choice.name, choice.text) == (None, own)
    assert choice.note == f"{OWN}, although {LATER}: no shipped one asks in the same words"


def test_a_date_that_no_shipped_template_knows_is_stopped() -> None:
    own = tiny.CHATML_MARKED.replace(
        "{%- for message",
        "{{- '<|im_start|>system\\nIt is ' + strftime_now('%d %B %Y, %b %-d') + '<|im_end|>\\n' -}}{%- for message",
        1,
    )
    tokenizer = tokenizer_of("chatml", own)
    choice = choose_template(config("llama"), tokenizer)
    assert choice.name is None and choice.text.endswith(own)
    assert choice.note == (
        f"{OWN}, its clock stopped at 05 August 2025, because it writes the day of asking into the prompt"
    )
    tokenizer.chat_template = choice.text
    text = tokenizer.decode(Renderer(tokenizer).prompt([{"role": "user", "content": "q"}]))
    assert text.startswith("<|im_start|>system\nIt is 05 August 2025, Aug ")


def test_several_rows_on_qwen3s_own_template() -> None:
    tokenizer = tokenizer_of("qwen3", trl_template("qwen3"))
    (note,) = dress(tokenizer, config=config("qwen3"))
    assert note.startswith("chat template: the shipped 'qwen3' in place of the base's own")
    renderer = Renderer(tokenizer, {"enable_thinking": False})
    turns = [{"role": ("user", "assistant")[k % 2], "content": text} for k, text in enumerate(("q", "a", "q2", "a2"))]
    rendered = renderer.render(turns)
    assert [tokenizer.decode(rendered.input_ids[start:end]) for start, end in rendered.spans] == [
        "a<|im_end|>",
        "a2<|im_end|>",
    ]


# -- where a reply stops -----------------------------------------------------------------------------------------------


def stops(name: str, also: tuple[str, ...] = (), **named: str) -> list[str]:
    tokenizer = tokenizer_of(name, shipped_template(name))
    for word, token in named.items():
        setattr(tokenizer, word, token)
    ids = [tokenizer.convert_tokens_to_ids(token) for token in also]
    return sorted(tokenizer.convert_ids_to_tokens(Renderer(tokenizer, also_stop=ids).stop_ids))


def test_stop_tokens() -> None:
    assert stops("chatml", eos_token="<|endoftext|>") == ["<|endoftext|>", "<|im_end|>"], "a base trained with ChatML"
    assert stops("ernie4_5") == ["</s>", "<|end_of_sentence|>"]
    assert stops("gpt_oss") == ["<|call|>", "<|return|>"]
    three = ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>")
    assert stops("llama3_1", three) == sorted(three)
    assert stops("glm4") == ["<|endoftext|>", "<|observation|>", "<|user|>"]


def test_the_bases_own_list_of_stop_tokens_is_read(tmp_path: Any) -> None:
    from finetune import models

    folder = tiny.save_base(tmp_path / "base", tiny.llama3(shipped_template("llama3")))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 4, 999_999]}))
    source = models.find_base(str(folder), None, folder)
    tokenizer, _ = models.load_tokenizer(source)
    assert Renderer(tokenizer, also_stop=models.stop_ids_of(source, tokenizer)).stop_ids == [1, 4]


# -- in a recipe -------------------------------------------------------------------------------------------------------


def opened(folder: Any, template: str, thinking: str = "off") -> Any:
    from finetune import prepare, recipe

    if not (folder / "base").is_dir():
        tiny.save_base(folder / "base", tiny.chatml(template), model_type="llama")
    turns = [[{"role": "user", "content": f"q{k}"}, {"role": "assistant", "content": f"<think>hm</think>a{k}"}]
             for k in range(20)]  # fmt: skip
    rows = "\n".join(json.dumps({"messages": messages}) for messages in turns)
    (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
    words = f"recipe: 1\nbase: {{model: ./base, thinking: {thinking}}}\n"
    words += "data: {train: rows.jsonl, held_out: 0.5, max_length: 128}\n"
    (folder / "recipe.yaml").write_text(words, encoding="utf-8")
    loaded = recipe.load(folder / "recipe.yaml")
    return loaded, prepare.open_base(loaded)


def test_fault_74_a_template_that_cannot_be_trained_names_the_shipped_ones(tmp_path: Any) -> None:
    from finetune.errors import ModelError

    with pytest.raises(ModelError) as caught:
        opened(tmp_path, tiny.NEVER_ENDS)
    said = str(caught.value)
    known = ", ".join(shipped_templates())
    assert said == (
        "recipe.yaml:2:1: base.chat_template: the template does not end an answer with a control token, so the model "
        f"could not learn to stop (got 'auto'). Fix: set base.chat_template to one of {known}, or to "
        "a file"
    )


def test_thoughts_of_rows_are_left_out_or_kept_and_said(tmp_path: Any) -> None:
    from finetune import data, prepare

    texts = {}
    for thinking in ("off", "keep"):
        loaded, base = opened(tmp_path, tiny.CHATML_MARKED, thinking)
        splits = data.load(loaded)
        train, held_out = (prepare.render_split(base, split, "drop") for split in (splits.train, splits.held_out))
        notes = prepare.check_rendered(train, held_out, base)
        assert train.num_thoughts == train.summary()["num_thoughts_left_out"] == (10 if thinking == "off" else 0)
        line = "thoughts of 10 training answers were left out, as base.thinking: off says"
        assert (line in notes) == (thinking == "off")
        texts[thinking] = base.tokenizer.decode(train.rows[0].input_ids)
    assert "hm" not in texts["off"] and "<|im_start|>assistant\n<think>hm</think>a" in texts["keep"]
