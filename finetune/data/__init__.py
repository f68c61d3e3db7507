"""Floor 4: data files -> checked conversations -> splits -> report. No torch, no pandas."""

from finetune.data.canaries import own_rows
from finetune.data.converting.pictures import images_of_row, names_images
from finetune.data.images import HeldImage, held_image, picture_of, question_of, question_with
from finetune.data.loading import load
from finetune.data.shapes import IMAGE_MARK, Conversation, DataReport, FileFacts, ImageRef, Message, Splits, ToolCall
from finetune.data.store import Rows

__all__ = [
    "IMAGE_MARK",
    "Conversation",
    "DataReport",
    "FileFacts",
    "HeldImage",
    "ImageRef",
    "Message",
    "Rows",
    "Splits",
    "ToolCall",
    "held_image",
    "images_of_row",
    "load",
    "names_images",
    "own_rows",
    "picture_of",
    "question_of",
    "question_with",
]
