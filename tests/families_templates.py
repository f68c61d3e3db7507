"""Chat templates of the families' folders: the publisher's, where the installed trl holds it, or one of the same form.

Those spelled out here are written for these tests, from what the families' publishers say of their formats; they keep
the traits that matter for training (what precedes the first turn, what ends an answer, what a prompt ends with).
"""

from __future__ import annotations

from importlib.resources import files

TRL = {
    "llama3_2": "llama3_2",
    "qwen2_5": "qwen2_5",
    "qwen3": "qwen3",
    "qwen3_moe": "qwen3",
    "qwen3_5": "qwen3_5_nothink",
    "qwen2_5_vl": "qwen2_5_vl",
    "qwen3_vl": "qwen3_vl",
    "gpt_oss": "gptoss",
    "gpt_oss_mxfp4": "gptoss",
    "gemma2": "gemma",
    "gemma3": "gemma3",
    "phi3": "phi3",
}

_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>'"
    " + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
# Llama 2 and its heirs: each question in brackets, the answer ended by </s>; {b} stands before every question or once.
_INST = (
    "{{% set system = '' %}}{{% if messages[0]['role'] == 'system' %}}{{% set system = {system} %}}"
    "{{% set messages = messages[1:] %}}{{% endif %}}{once}"
    "{{% for message in messages %}}{{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}}"
    "{{{{ raise_exception('user and assistant must take turns') }}}}{{% endif %}}"
    "{{% set text = (system if loop.first else '') + message['content'] %}}"
    "{{% if message['role'] == 'user' %}}{{{{ {user} }}}}{{% else %}}{{{{ {answer} }}}}{{% endif %}}{{% endfor %}}"
)
SPELLED = {
    "llama2": _INST.format(
        system="'<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n'",
        once="",
        user="bos_token + '[INST] ' + text.strip() + ' [/INST]'",
        answer="' ' + text.strip() + ' ' + eos_token",
    ),
    "mixtral": _INST.format(
        system="messages[0]['content'] + '\\n\\n'",
        once="{{ bos_token }}",
        user="' [INST] ' + text + ' [/INST]'",
        answer="' ' + text + eos_token",
    ),
    "mistral": _INST.format(
        system="messages[0]['content'] + '\\n\\n'",
        once="{{ bos_token }}",
        user="'[INST] ' + text + '[/INST]'",
        answer="' ' + text + eos_token",
    ),
    # The prompt ends in a blank, and a prompt is asked for unless it is said not to.
    "ernie4_5": (
        "{%- if add_generation_prompt is not defined -%}{%- set add_generation_prompt = true -%}{%- endif -%}"
        "{{- '<|begin_of_sentence|>' -}}{%- for message in messages -%}"
        "{%- if message['role'] == 'user' -%}{{- 'User: ' + message['content'] + '\\n' -}}"
        "{%- elif message['role'] == 'assistant' -%}"
        "{{- 'Assistant: ' + message['content'] + '<|end_of_sentence|>' -}}"
        "{%- else -%}{{- message['content'] + '\\n' -}}{%- endif -%}{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- 'Assistant: ' -}}{%- endif -%}"
    ),
    # An empty system turn where none is given; <s> is left to the tokenizer, which writes it only outside templates.
    "pangu": (
        "{% set names = {'system': '系统', 'user': '用户', 'assistant': '助手', 'tool': '工具', 'function': '方法'} %}"
        "{% if messages[0]['role'] != 'system' %}{{ '[unused9]系统：[unused10]' }}{% endif %}"
        "{% for message in messages %}"
        "{{ '[unused9]' + names[message['role']] + '：' + message['content'] + '[unused10]' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '[unused9]助手：' }}{% endif %}"
    ),
    "smollm2": (
        "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a helpful AI assistant named SmolLM, "
        "trained by Hugging Face<|im_end|>\\n' }}{% endif %}" + _CHATML
    ),
    "smollm3": (
        "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\n## Metadata\\n\\nReasoning Mode: ' + "
        "('/think' if enable_thinking | default(true) else '/no_think') + '\\n<|im_end|>\\n' }}{% endif %}"
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
        "{% if message['role'] == 'assistant' and not enable_thinking | default(true) %}"
        "{{ '<think>\\n\\n</think>\\n' }}{% endif %}{{ message['content'] + '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
        "{% if not enable_thinking | default(true) %}{{ '<think>\\n\\n</think>\\n' }}{% endif %}{% endif %}"
    ),
    "phi4_mini": (
        "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
    ),
    "internlm3": "{{ bos_token }}" + _CHATML,
    # No token ends an answer: the next turn's first one does.
    "glm4": (
        "[gMASK]<sop>{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    ),
    "granite": (
        "{% if messages[0]['role'] != 'system' %}{{ '<|start_of_role|>system<|end_of_role|>You are Granite, developed "
        "by IBM. You are a helpful AI assistant.<|end_of_text|>\\n' }}{% endif %}{% for message in messages %}"
        "{{ '<|start_of_role|>' + message['role'] + '<|end_of_role|>' + message['content'] + '<|end_of_text|>\\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}"
    ),
}


def template_of(name: str) -> str | None:
    """The chat template in the folder of a family; None where the family ships none (Aquila, Phi-2)."""
    if name in TRL:
        return (files("trl") / "chat_templates" / f"{TRL[name]}.jinja").read_text(encoding="utf-8")
    return SPELLED.get("pangu" if name.startswith("pangu") else "ernie4_5" if name.startswith("ernie") else name)
