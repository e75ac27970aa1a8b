"""Scripts that fail half-way: what a surprise between two writes would leave behind."""

from __future__ import annotations

import hashlib
import re

from queue_core.scripts import Script

READING = (
    "EXISTS", "GET", "HEXISTS", "HGET", "HGETALL", "HKEYS", "HLEN", "HMGET", "LLEN", "LRANGE", "SCARD", "SISMEMBER",
    "SMISMEMBER", "TIME", "TYPE", "ZCARD", "ZCOUNT", "ZLEXCOUNT", "ZRANGE", "ZRANGEBYLEX", "ZRANGEBYSCORE",
    "ZREVRANGEBYSCORE", "ZSCORE", "HSTRLEN", "LINDEX", "PTTL", "TTL", "STRLEN", "LPOS", "XLEN", "XRANGE",
)  # fmt: skip
_PRELUDE = """
local writes_left, reading = %d, {%s}
local function come_to(command)
  if not reading[command] then
    if writes_left == 0 then error('HALFWAY') end
    writes_left = writes_left - 1
  end
end
local function redis_call(command, ...)
  come_to(command)
  return redis.call(command, ...)
end
local function redis_pcall(command, ...)
  come_to(command)
  return redis.pcall(command, ...)
end
"""


def changed(script: Script, text: str) -> Script:
    """The script with another text, under its own name."""
    return Script(script.name, text, hashlib.sha1(text.encode()).hexdigest(), script.keys, script.types)


def stopping_after(script: Script, writes: int) -> Script:
    """The script, but it fails instead of its next write after so many."""
    first_line, _, body = script.text.partition("\n")
    body, count = re.subn(r"\bredis\.(p?call)\b", r"redis_\1", body)
    assert count, f"{script.name} does not write as expected"
    prelude = _PRELUDE % (writes, ",".join(f"{command}=1" for command in READING))
    return changed(script, f"{first_line}\n{prelude}{body}")
