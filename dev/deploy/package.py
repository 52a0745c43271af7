"""SAM's own commands: build, and package, which uploads code and layers."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

from samcli import yamlhelper

from dev.deploy.render import Template
from dev.errors import StartupError
from dev.paths import ROOT

SAM = Path(sys.executable).with_name("sam")
BUILD = ROOT / ".aws-sam/build"


def build(architecture: str) -> Path:
    """Build for this processor, and return the built template."""
    run("make", "--silent", "build", f"ARCHITECTURE={architecture}")
    return BUILD / "template.yaml"


def package(built: Path, region: str) -> Template:
    """Upload what the built template names, to the bucket that SAM keeps for it, and return it with the addresses."""
    packaged = built.with_name("packaged.json")
    run(
        *(str(SAM), "package", "--resolve-s3", "--region", region, "--use-json"),
        *("--template-file", str(built), "--output-template-file", str(packaged)),
    )
    return cast(Any, yamlhelper).yaml_parse(packaged.read_text())


def run(*command: str) -> None:
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"SAM_CLI_TELEMETRY": "0"}, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise StartupError(f"{' '.join(command)} failed:\n{ended.stdout}{ended.stderr}")


def as_text(template: Template) -> str:
    return json.dumps(template, separators=(",", ":"))
