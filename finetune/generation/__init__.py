"""Floor 5: a base, with or without an adapter, that answers: what chat, demo and evaluation talk to."""

from __future__ import annotations

from finetune.data import HeldImage, held_image, picture_of, question_of  # the demo shows images and imports this alone
from finetune.generation.batching import BatchPlan, answer_many, batch_plan
from finetune.generation.engine import Answer, Engine
from finetune.generation.prompts import prompting
from finetune.generation.questions import read_questions
from finetune.generation.sources import Source, find_source

__all__ = [
    "Answer",
    "BatchPlan",
    "Engine",
    "HeldImage",
    "Source",
    "answer_many",
    "batch_plan",
    "find_source",
    "held_image",
    "picture_of",
    "prompting",
    "question_of",
    "read_questions",
]
