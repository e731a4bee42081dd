"""Names of modules in a quantisation's settings, with the numbers that their blocks have after a deletion.

Settings name the modules that are not packed, or are packed in another way: `model.layers.3.mlp`, as a text, or as a
regular expression in which the points are escaped.
"""

import re
from typing import Any


def renumber(settings: Any, blocks: str, numbers: dict[int, int]) -> Any:
    """The settings with the names of modules in blocks that are kept.

    Args:
        settings: lists, dictionaries and texts, as in config.json.
        blocks: dotted name of the list of blocks.
        numbers: new numbers of the blocks that are kept, by their old ones.
    """
    name = re.compile(rf"(?<!\w)({re.escape(blocks.rpartition('.')[2])}\\?\.)(\d+)(?![\d\w])")

    def gone(value: Any) -> bool:
        return isinstance(value, str) and any(int(number) not in numbers for _, number in name.findall(value))

    def renamed(value: Any) -> Any:
        if isinstance(value, str):
            return name.sub(lambda found: f"{found[1]}{numbers.get(int(found[2]), found[2])}", value)
        if isinstance(value, list | tuple):
            return [renamed(item) for item in value if not gone(item)]
        if isinstance(value, dict):
            return {renamed(key): renamed(item) for key, item in value.items() if not gone(key)}
        return value

    return renamed(settings)
