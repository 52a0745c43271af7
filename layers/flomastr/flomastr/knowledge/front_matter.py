"""What a Markdown document says of itself above its text, between two lines of `---`: YAML."""

import json
import re
from typing import Any, cast, override

import yaml

FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n(.{0,10000}?)(?:\r?\n)(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)


class WithoutAliases(yaml.SafeLoader):
    """Aliases of aliases grow without end."""

    @override
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # pyright: ignore[reportUnknownMemberType]
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


def front_matter(content: str) -> tuple[dict[str, Any], int]:
    """It as JSON, and where the text begins. Without any, nothing and 0."""
    found = FRONT_MATTER.match(content)
    if not found:
        return {}, 0
    try:
        read: object = yaml.load(found[1], WithoutAliases)
        text = json.dumps(read, default=str, allow_nan=False)
        text.encode()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError):
        return {}, 0
    if not isinstance(read, dict) or "\\u0000" in text or re.search(r"\\ud[89a-f]", text):
        return {}, 0
    return cast(dict[str, Any], json.loads(text)), found.end()
