#!lua flags=allow-oom
-- Leases last longer, for whoever holds their fence. Safe to send again, so it has no session.
-- KEYS control HASH, leases ZSET, running HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] lease, ms   then two for each task: id, fence
-- Returns: now ms, then the ids whose lease was lost.
-- include begin life
-- check keys

local lease_ms, total = tonumber(ARGV[3]), (#ARGV - 3) / 2
local fields = signs_of_life(lease_ms)
local reply, ids = {fmt('%.0f', now)}, {}
for i = 1, total do ids[i] = ARGV[2 + i * 2] end
local claims = total > 0 and call('HMGET', running, unpack(ids)) or {}
local expiries, expiry = {}, fmt('%.0f', now + lease_ms)
for i = 1, total do
  if claims[i] and match(claims[i], '^%d+') == ARGV[3 + i * 2] then
    expiries[#expiries + 1] = expiry
    expiries[#expiries + 1] = ids[i]
  else
    reply[#reply + 1] = ids[i]
  end
end
begin_writing()
if #expiries > 0 then call('ZADD', leases, 'XX', unpack(expiries)) end
call('HSET', control, unpack(fields))
return reply
