"""The floors: imports go down only, wherever in a file they stand; rooms on one floor do not know each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from finetune import generation

PACKAGE = Path(__file__).resolve().parents[1] / "finetune"
DEMO = PACKAGE.parent / "demo"
FLOORS = (
    ("errors",),
    ("resources", "talk", "hub", "packing", "statistics"),
    ("recipe",),
    ("runs",),
    ("data", "render", "models", "hardware"),
    ("prepare", "training", "generation"),
    ("evaluation", "checking", "exporting", "sharing"),
    ("workflow",),
    ("cli", "starter"),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# The floors would allow it; stages talk through the run folder instead.
FORBIDDEN = {("evaluation", "training"), ("sharing", "training")}


def room_of(path: Path) -> str:
    """The room of a file of the package: its first folder, or its own name; "" for finetune/__init__.py."""
    first = path.relative_to(PACKAGE).parts[0]
    return "" if first in ("__init__.py", "__main__.py") else first.removesuffix(".py")


def imported_modules(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """(absolute dotted module, line) of every import in a tree, those inside functions too.

    Args:
        tree: of one file.
        package: the dotted package of the file, as parts, for its relative imports.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *((node.module or "").split(".") if node.module else [])])
            # `from finetune import runs` names a room only in its list.
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def imported_rooms(path: Path) -> Iterator[tuple[str, int]]:
    """(room, line) of every import of our own in a file of the package."""
    package = ("finetune", *path.relative_to(PACKAGE).parts[:-1])
    for module, line in imported_modules(ast.parse(path.read_text(encoding="utf-8")), package):
        parts = module.split(".")
        if parts[0] == "finetune" and len(parts) > 1 and parts[1] in FLOOR_OF:
            yield parts[1], line


def wrong_imports(importer: str, imported: Iterator[tuple[str, int]]) -> list[str]:
    """One line for each import that does not go down."""
    return [
        f"line {line}: {importer} (floor {FLOOR_OF[importer]}) imports {room} (floor {FLOOR_OF[room]})"
        for room, line in imported
        if room != importer and (FLOOR_OF[room] >= FLOOR_OF[importer] or (importer, room) in FORBIDDEN)
    ]


def files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "_bundled" not in path.parts)


def test_every_file_has_a_floor_and_every_floor_has_its_rooms() -> None:
    rooms = {room_of(path) for path in files()} - {""}
    assert rooms == set(FLOOR_OF), "a room without a floor, or a floor without its room"
    assert len(files()) > 30


def test_imports_go_down_only() -> None:
    wrong = []
    for path in files():
        importer = room_of(path)
        if importer:
            wrong += [f"{path.relative_to(PACKAGE)} {line}" for line in wrong_imports(importer, imported_rooms(path))]
    assert not wrong, "\n".join(wrong)


def test_the_package_itself_imports_no_room() -> None:
    assert list(imported_rooms(PACKAGE / "__init__.py")) == []
    assert {room for room, _ in imported_rooms(PACKAGE / "__main__.py")} == {"cli"}


def test_evaluation_never_imports_training_not_even_through_another_room() -> None:
    """Evaluation is repeatable where nothing can train; see the rooms it reaches, not only those it names."""
    imports = {room: set() for room in FLOOR_OF}
    for path in files():
        if room_of(path):
            imports[room_of(path)] |= {room for room, _ in imported_rooms(path)}
    reached, waiting = set(), ["evaluation"]
    while waiting:
        for room in imports[waiting.pop()] - reached:
            reached.add(room)
            waiting.append(room)
    assert "training" not in reached
    assert "models" in reached, "the walk found nothing, so it proves nothing"


def test_the_demo_stands_on_the_top_floor() -> None:
    """demo/ is shipped, not imported: nothing in the package imports it, and it reaches no stage that trains."""
    named = set()
    for path in sorted(DEMO.glob("*.py")):
        for module, _ in imported_modules(ast.parse(path.read_text(encoding="utf-8")), ()):
            if module.startswith("finetune."):
                named.add(module.split(".")[1])
    assert named
    assert named <= {"errors", "resources", "runs", "generation"}
    assert names_from_generation() <= set(generation.__all__), "the demo takes what is handed out, not what lies behind"
    for path in files():
        for module, line in imported_modules(ast.parse(path.read_text(encoding="utf-8")), ()):
            assert module.split(".")[0] not in ("demo", "recipes", "data_templates", "tests"), f"{path}:{line}"


def names_from_generation() -> set[str]:
    """What the demo and the rooms above take from `finetune.generation`; those inside it come by their own files."""
    found = set()
    for path in [*DEMO.glob("*.py"), *(path for path in files() if room_of(path) != "generation")]:
        for module, _ in imported_modules(ast.parse(path.read_text(encoding="utf-8")), ()):
            if module.startswith("finetune.generation."):
                found.add(module.removeprefix("finetune.generation."))
    assert {"Engine", "question_of", "read_questions"} <= found
    return found


def test_the_guard_sees_what_it_should() -> None:
    hidden = "def f():\n    def g():\n        from finetune.cli import main\n        return main\n    return g\n"
    modules = list(imported_modules(ast.parse(hidden), ("finetune", "recipe")))
    assert modules == [("finetune.cli.main", 3)]
    assert wrong_imports("recipe", iter([("cli", 3)])) == ["line 3: recipe (floor 2) imports cli (floor 8)"]
    assert wrong_imports("data", iter([("models", 1)])), "rooms on one floor do not know each other"
    assert not wrong_imports("data", iter([("data", 1), ("errors", 2)]))
    assert wrong_imports("evaluation", iter([("training", 1)]))
    relative = list(imported_modules(ast.parse("from ..training import train"), ("finetune", "evaluation")))
    assert relative == [("finetune.training.train", 1)]


def test_rooms_stay_small() -> None:
    """Files of up to 500 lines; word banks are data."""
    long = {
        path.relative_to(PACKAGE).as_posix(): num_lines
        for path in files()
        if (num_lines := len(path.read_text(encoding="utf-8").splitlines())) > 500 and "corpus" not in path.parts
    }
    assert not long
