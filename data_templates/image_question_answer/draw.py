"""Draws the images of this template and writes its rows: gauges, bar charts and shapes, all invented.

    python draw.py

Needs Pillow alone. The same program draws the same pictures, so a row's answer is always what its image shows.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from PIL import Image, ImageDraw

HERE = Path(__file__).resolve().parent
SIZE = 112  # pixels of a side: four tokens by four, for bases of the Qwen-VL kind
COLOURS = {"red": (200, 40, 40), "blue": (40, 80, 200), "green": (40, 150, 70), "yellow": (235, 190, 40)}
INK, PAPER = (40, 40, 40), (250, 250, 248)


def gauge(value: int) -> Image.Image:
    """A round gauge from 0 to 100 whose last fifth is red."""
    image = Image.new("RGB", (SIZE, SIZE), PAPER)
    pen = ImageDraw.Draw(image)
    box = (10, 14, SIZE - 10, SIZE - 6)
    pen.arc(box, 180, 324, INK, 6)
    pen.arc(box, 324, 360, COLOURS["red"], 6)
    middle, far = SIZE // 2, 14 + (SIZE - 20) // 2
    for tick in range(0, 101, 20):
        angle = math.radians(180 + 1.8 * tick)
        points = [(middle + r * math.cos(angle), far + r * math.sin(angle)) for r in (34, 42)]
        pen.line(points, INK, 2)
    angle = math.radians(180 + 1.8 * value)
    pen.line([(middle, far), (middle + 38 * math.cos(angle), far + 38 * math.sin(angle))], INK, 4)
    pen.ellipse((middle - 5, far - 5, middle + 5, far + 5), INK)
    return image


def bars(**heights: int) -> Image.Image:
    """A chart with one bar of each colour named, in parts of ten."""
    image = Image.new("RGB", (SIZE, SIZE), PAPER)
    pen = ImageDraw.Draw(image)
    width = (SIZE - 24) // len(heights)
    for number, (colour, height) in enumerate(heights.items()):
        left = 16 + number * width
        pen.rectangle((left, SIZE - 12 - 9 * height, left + width - 8, SIZE - 12), COLOURS[colour])
    pen.line([(10, 8), (10, SIZE - 12), (SIZE - 6, SIZE - 12)], INK, 2)
    return image


def shapes(*drawn: tuple[str, str]) -> Image.Image:
    """(shape, colour) side by side: circle, square or triangle."""
    image = Image.new("RGB", (SIZE, SIZE), PAPER)
    pen = ImageDraw.Draw(image)
    width = SIZE // len(drawn)
    size = min(64, width - 12)
    for number, (shape, colour) in enumerate(drawn):
        left, top = number * width + (width - size) // 2, (SIZE - size) // 2
        box = (left, top, left + size, top + size)
        if shape == "circle":
            pen.ellipse(box, COLOURS[colour])
        elif shape == "square":
            pen.rectangle(box, COLOURS[colour])
        else:
            pen.polygon([(left + size // 2, top), (left + size, top + size), (left, top + size)], COLOURS[colour])
    return image


IMAGES = {
    "gauge_20": gauge(20),
    "gauge_60": gauge(60),
    "gauge_90": gauge(90),
    "bars_rising": bars(red=2, blue=5, green=8),
    "bars_blue": bars(red=4, blue=9, green=3),
    "bars_equal": bars(yellow=6, blue=6),
    "circle": shapes(("circle", "green")),
    "square": shapes(("square", "yellow")),
    "triangle": shapes(("triangle", "red")),
    "two": shapes(("circle", "blue"), ("square", "red")),
    "three": shapes(("triangle", "green"), ("circle", "yellow"), ("triangle", "blue")),
}
ROWS = [
    (["gauge_20"], "What does the gauge show?", "About 20 of 100: well below the red part."),
    (["gauge_60"], "Read the pointer, please.", "It stands at about 60 of 100."),
    (["gauge_90"], "Is this reading in order?",
     "No. The pointer is at about 90, inside the red part that begins at 80."),
    (["gauge_20", "gauge_90"], "<image> before, <image> now: what changed?",
     "The reading rose from about 20 to about 90 and is in the red part now."),
    (["bars_rising"], "Which bar is the highest?", "The green one, with about 8 of 10."),
    (["bars_rising"], "Put the bars in order, lowest first.", "Red, blue, green."),
    (["bars_blue"], "How much higher is blue than green?", "By about 6: blue stands at 9 and green at 3."),
    (["bars_equal"], "Does one side lead?", "No, yellow and blue are level at about 6."),
    (["circle"], "Name the shape and its colour.", "A green circle."),
    (["square"], "Does the picture show a triangle?", "No, it shows a yellow square."),
    (["triangle"], "How many corners does the shape have?", "Three: it is a red triangle."),
    (["two"], "What stands on the left?", "A blue circle."),
    (["three"], "How many triangles can you count?", "Two, a green one and a blue one."),
    (["three"], "What is written under the shapes?", "Nothing is written in this picture."),
    (["bars_blue"], "Who sold the most in March?",
     "The chart does not say what its bars stand for, so I cannot tell. Blue is the highest."),
    ([], "What can you read off a gauge?",
     "Where its pointer stands on the scale, and whether that is inside a marked part. Please show me the picture."),
]  # fmt: skip


def topic_of(names: list[str]) -> str:
    """Rows that show one picture, or one gauge, have one topic: they stay on one side when some are held out."""
    first = names[0] if names else "no_picture"
    return "gauge" if first.startswith("gauge") else first


def main() -> None:
    """Write images/ and template.jsonl beside this file."""
    (HERE / "images").mkdir(exist_ok=True)
    for name, image in IMAGES.items():
        image.quantize(16).save(HERE / "images" / f"{name}.png", optimize=True)
    rows = [
        {
            "images": [f"images/{name}.png" for name in names],
            "question": question,
            "answer": answer,
            "topic": topic_of(names),
        }
        for names, question, answer in ROWS
    ]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (HERE / "template.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main()
