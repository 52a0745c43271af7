"""How objects of a backup are compressed: zstandard, a third of gzip's work. The name of an object says so."""

from typing import Protocol

from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError

SUFFIX = "copy.zst"
LEVEL = 1

NotCompressedError = ZstdError  # what a decompressor raises


class Compressor(Protocol):
    """Takes a stream in pieces and gives what is ready of it."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class Decompressor(Protocol):
    """The other way round."""

    def decompress(self, data: bytes, /) -> bytes: ...


def compressor() -> Compressor:
    """For one object."""
    return ZstdCompressor(level=LEVEL, write_checksum=True).compressobj()


def decompressor() -> Decompressor:
    """For one object."""
    return ZstdDecompressor().decompressobj()
