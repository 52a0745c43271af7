"""Docker, as far as containers of functions need it: an engine, Lambda's image, and how they reach this machine."""

import asyncio
import platform
import shutil
import subprocess
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from dev.errors import StartupError

HERE = "127.0.0.1"
DESKTOP = "host.docker.internal"
ARCHITECTURE = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"  # of this machine
IMAGE = f"public.ecr.aws/lambda/python:3.13-{ARCHITECTURE}"


def docker(*arguments: str) -> str | None:
    """What the command prints, or None where it fails."""
    if not shutil.which("docker"):
        return None
    asked = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    return asked.stdout.strip() if asked.returncode == 0 else None


def has_image() -> bool:
    return docker("image", "inspect", IMAGE) is not None


@contextmanager
def network(name: str) -> Generator[str]:
    """A network for containers: gives how they, and this machine itself, may call this machine. Raises StartupError."""
    system = docker("info", "--format", "{{.OperatingSystem}}")
    if system is None:
        raise StartupError("No Docker engine answers: install Docker, start it, and try again.")
    docker("network", "create", name)  # or it is there, left by one that was killed
    try:
        gateway = docker("network", "inspect", name, "--format", "{{(index .IPAM.Config 0).Gateway}}")
        if not gateway:
            raise StartupError(f"Docker made no network {name}: restart its engine, and try again.")
        yield DESKTOP if "Docker Desktop" in system else gateway
    finally:
        docker("network", "rm", name)


@asynccontextmanager
async def reachable(host: str, ports: Iterable[int]) -> AsyncGenerator[None]:
    """Ports of this machine, which it alone reaches, at `host` too; Docker Desktop does so by itself."""
    async with AsyncExitStack() as opened:
        if host != DESKTOP:
            for port in ports:
                await opened.enter_async_context(await _forward(host, port))
        yield


async def _forward(host: str, port: int) -> asyncio.Server:
    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            there = await asyncio.open_connection(HERE, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_carry(reader, there[1]), _carry(there[0], writer))

    return await asyncio.start_server(connected, host, port)


async def _carry(reader: StreamReader, writer: StreamWriter) -> None:
    """Until one side ends: the other then learns it, as the writer is closed."""
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass  # the side that broke off is closed below, and so is the other one
    finally:
        writer.close()
