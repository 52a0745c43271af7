"""Layers where `sam local` finds them quickly."""

import os
import shutil
from pathlib import Path
from typing import Any

from samcli import yamlhelper

YAML: Any = yamlhelper  # which has no types


def put_beside_code(template: Path) -> None:
    """In the folder of each function, as further names of the same files. For a layer of the template itself sam would
    make an image at each start of a container, which takes longer than all else."""
    content = YAML.yaml_parse(template.read_text())
    of_all = content["Globals"]["Function"].pop("Layers")
    for resource in content["Resources"].values():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        properties = resource["Properties"]
        for layer in [*of_all, *properties.pop("Layers", [])]:
            packages, code = template.parent / layer["Ref"] / "python", template.parent / properties["CodeUri"]
            shutil.copytree(packages, code, copy_function=_link, dirs_exist_ok=True)
    template.write_text(YAML.yaml_dump(content))


def _link(file: str, name: str) -> None:
    Path(name).unlink(missing_ok=True)  # a later layer hides an earlier one
    os.link(file, name)
