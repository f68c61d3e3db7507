"""Floor 4: data files -> checked conversations -> splits -> report. No torch, no pandas, no network."""

from finetune.data.loading import load
from finetune.data.shapes import Conversation, DataReport, FileFacts, Message, Splits

__all__ = ["Conversation", "DataReport", "FileFacts", "Message", "Splits", "load"]
