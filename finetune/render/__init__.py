"""Floor 4: the only renderer: conversation + tokenizer -> input ids, labels, spans.

Training, evaluation, chat and demo all come through here, so a model is asked in the very form it was taught in.
What is trained: the assistant's turns and the token that ends each of them; nothing else.

How the trained part is found:
    1. `generation marks`: the template marks the assistant's words with {% generation %}.
    2. `prefix difference`: for each assistant turn, the template is rendered up to it (with the generation prompt)
       and including it; the first must be a prefix of the second, and both of the whole. Otherwise: refused.
Both are then verified on token ids: what stands before a trained span must tokenize to the very same ids as when the
model is asked at that point. Where a token would melt across the border (a template that ends in "Assistant: "
followed by an answer in ASCII), the two sides are encoded apart and joined.

Control tokens that stand inside somebody's text stay text: a user who types <|im_end|> ends nothing.

`Renderer` does one conversation, exactly; `FastRenderer` does many of them, with equal ids.
"""

from finetune.render.renderer import IGNORED, Rendered, Renderer

__all__ = ["IGNORED", "Rendered", "Renderer"]
