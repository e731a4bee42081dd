"""Small items of lm-eval's tasks, written for tests: as files hold them, and as the official prompts ask them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Rows = Sequence[Mapping[str, Any]]
Pairs = Sequence[tuple[str, str]]

# Of each task: rows of a file, and what lm-eval's own definition makes of the first one.
MADE: dict[str, tuple[Rows, Pairs]] = {
    "piqa": (
        [
            {"context": "How do I dry a wet coat?", "choices": ["Hang it up.", "Put it in a pond."], "answer": 0},
            {"context": "open a jar", "choices": ["Sing to it softly.", "Turn its lid."], "answer": 1},
        ],
        [
            ("Question: How do I dry a wet coat?\nAnswer:", " Hang it up."),
            ("Question: How do I dry a wet coat?\nAnswer:", " Put it in a pond."),
        ],
    ),
    "arc_easy": (
        [
            {"context": "What do bees make?", "choices": ["honey", "iron", "salt"], "answer": 0},
            {"context": "What melts?", "choices": ["ice", "wind", "light", "time"], "answer": 0},
        ],
        [("Question: What do bees make?\nAnswer:", f" {word}") for word in ("honey", "iron", "salt")],
    ),
    "arc_challenge": (
        [{"context": "Which is hard?", "choices": ["silk", "milk", "flint", "mist"], "answer": 2}],
        [("Question: Which is hard?\nAnswer:", f" {word}") for word in ("silk", "milk", "flint", "mist")],
    ),
    "openbookqa": (
        [{"context": "Frogs live near", "choices": ["dunes", "ponds", "kilns", "stars"], "answer": 1}],
        [("Frogs live near", f" {word}") for word in ("dunes", "ponds", "kilns", "stars")],
    ),
    "hellaswag": (
        [{"context": "Baking: A man kneads the dough. he", "choices": ["rests it.", "eats the oven."], "answer": 0}],
        [
            ("Baking: A man kneads the dough. He", " rests it."),
            ("Baking: A man kneads the dough. He", " eats the oven."),
        ],
    ),
    "winogrande": (
        [
            {
                "contexts": ["The cup fell off the shelf so the cup", "The cup fell off the shelf so the shelf"],
                "continuation": "broke.",
                "answer": 0,
            }
        ],
        [
            ("The cup fell off the shelf so the cup", " broke."),
            ("The cup fell off the shelf so the shelf", " broke."),
        ],
    ),
    "lambada_openai": (
        [
            {"context": "She looked for her key. At last she found the", "target": "key"},
            {"context": "He called the dog. Nobody came but the", "target": "dog"},
        ],
        [("She looked for her key. At last she found the", " key")],
    ),
    "copa": (
        [{"context": "The road was wet, because", "choices": ["it had rained.", "it was long."], "answer": 0}],
        # Two spaces: the definition's own, and that before every answer.
        [("The road was wet because", "  it had rained."), ("The road was wet because", "  it was long.")],
    ),
    "boolq": (
        [
            {"passage": "Ice floats.", "question": "does ice float", "label": 1},
            {"passage": "Iron sinks.", "question": "does iron float", "label": 0},
        ],
        [
            ("Ice floats.\nQuestion: does ice float?\nAnswer:", " no"),
            ("Ice floats.\nQuestion: does ice float?\nAnswer:", " yes"),
        ],
    ),
}


def save_items(folder: Path, rows: Mapping[str, Rows] | None = None) -> Path:
    """A folder with a file of each task."""
    folder.mkdir(exist_ok=True)
    for name, those in (rows or {name: made for name, (made, _) in MADE.items()}).items():
        (folder / f"{name}_made.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in those))
    return folder
