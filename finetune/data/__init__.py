"""Floor 4: data files -> checked conversations -> splits -> report. No torch, no pandas."""

from finetune.data.loading import load
from finetune.data.shapes import Conversation, DataReport, FileFacts, Message, Splits, ToolCall
from finetune.data.store import Rows

__all__ = ["Conversation", "DataReport", "FileFacts", "Message", "Rows", "Splits", "ToolCall", "load"]
