"""Compiled templates are kept beside their sources, as Python keeps its own modules, where it does and may.

To compile all of them takes half a second of CPU at each start.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from types import CodeType

from jinja2.bccache import Bucket, BytecodeCache

_DIGEST = 20


class BesideSources(BytecodeCache):
    """`makers`: files on which it depends what a template becomes, beside its own text. What is read is taken only
    where it was made of all the same, and whole; what cannot be read or written is compiled."""

    def __init__(self, makers: Sequence[str]) -> None:
        mark = hashlib.blake2b(MAGIC_NUMBER + version("jinja2").encode())
        for path in (*makers, __file__):
            mark.update(Path(path).read_bytes())
        self._mark = mark.digest()

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        return filename or name

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            stored = _place(bucket).read_bytes()
        except (OSError, NotImplementedError):
            return
        packed = stored[_DIGEST:]
        if stored[:_DIGEST] == self._digest(bucket, packed):
            code = marshal.loads(packed)
            bucket.code = code if isinstance(code, CodeType) else None

    def dump_bytecode(self, bucket: Bucket) -> None:
        if sys.dont_write_bytecode:
            return
        packed = marshal.dumps(bucket.code)
        with contextlib.suppress(OSError, NotImplementedError):
            _write(_place(bucket), self._digest(bucket, packed) + packed)

    def _digest(self, bucket: Bucket, packed: bytes) -> bytes:
        made_of = hashlib.blake2b(self._mark, digest_size=_DIGEST)
        for part in (bucket.key.encode(), bucket.checksum.encode(), packed):
            made_of.update(b"%d:" % len(part) + part)
        return made_of.digest()


def _place(bucket: Bucket) -> Path:
    return Path(cache_from_source(bucket.key))


def _write(path: Path, content: bytes) -> None:
    """At once or not at all: another process may read it meanwhile, or write the same."""
    path.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        made = Path(file.name)
        try:
            file.write(content)
            file.flush()
            made.chmod(0o644)
            made.replace(path)
        except BaseException:
            made.unlink(missing_ok=True)
            raise
