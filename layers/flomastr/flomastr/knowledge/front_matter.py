"""What a Markdown document says of itself above its text, between two lines of `---`: YAML."""

import json
import re
from typing import Any, cast, override

import yaml

FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n(.{0,10000}?)(?:\r?\n)(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
MAX_DEPTH = 20


class BoundedLoader(yaml.SafeLoader):
    """Aliases of aliases grow without end, and each level of what is nested is read again with the next."""

    depth = 0

    @override
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.depth == MAX_DEPTH or self.check_event(yaml.AliasEvent):  # pyright: ignore[reportUnknownMemberType]
            raise yaml.YAMLError("aliases and what is nested too deeply are not read")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def front_matter(content: str) -> tuple[dict[str, Any], int]:
    """It as JSON, and where the text begins. Without any, nothing and 0."""
    found = FRONT_MATTER.match(content)
    if not found:
        return {}, 0
    try:
        read: object = yaml.load(found[1], BoundedLoader)
        text = json.dumps(read, default=str, allow_nan=False)
        text.encode()
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, RecursionError, OverflowError):
        return {}, 0
    if not isinstance(read, dict) or "\\u0000" in text or re.search(r"\\ud[89a-f]", text):
        return {}, 0
    return cast(dict[str, Any], json.loads(text)), found.end()
