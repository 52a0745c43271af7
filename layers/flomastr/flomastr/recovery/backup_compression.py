"""How objects of a backup are compressed: gzip, which every machine reads. The name of an object says so."""

import zlib
from typing import Protocol

SUFFIX = "copy.gz"
LEVEL = 1  # twice as fast as 3
GZIP = 16 + zlib.MAX_WBITS

NotCompressedError = zlib.error  # what a decompressor raises


class Compressor(Protocol):
    """Takes a stream in pieces and gives what is ready of it."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class Decompressor(Protocol):
    """The other way round."""

    def decompress(self, data: bytes, /) -> bytes: ...


def compressor() -> Compressor:
    """For one object."""
    return zlib.compressobj(LEVEL, wbits=GZIP)


def decompressor() -> Decompressor:
    """For one object."""
    return zlib.decompressobj(wbits=GZIP)
