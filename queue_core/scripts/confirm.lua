#!lua flags=allow-oom
-- Nobody puts these tickets forward any more: their marks go after a while, in which a mover that was stopped in the midst
-- finds them still. And marks whose while is over are gone.
-- KEYS control HASH, session STRING, imported ZSET
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] how long they stay, ms   then the tickets
-- Returns now, ms.
-- include begin session marks
if replayed then return replayed end
-- check keys

local DROP_AT_MOST = 512
local over = call('ZRANGEBYSCORE', imported, '-inf', now, 'LIMIT', 0, DROP_AT_MOST)
if #over > 0 then call('ZREM', imported, unpack(over)) end
local gone_at = fmt('%.0f', now + ARGV[4])
for i = 5, #ARGV do
  for _, mark in ipairs({ARGV[i], ARGV[i] .. ':refused'}) do call('ZADD', imported, 'XX', gone_at, mark) end
end
expire_marks()
return answer(fmt('%.0f', now))
