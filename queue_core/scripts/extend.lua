#!lua flags=allow-oom
-- Leases last longer, for whoever holds their fence. Safe to send again, so it has no session.
-- KEYS control HASH, leases ZSET, running HASH, cancelling HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] lease, ms   then two for each task: id, fence
-- Returns: now ms, list of the ids whose lease was lost, list of the others that were asked to stop.
-- include begin life
-- check keys

local lease_ms, total = tonumber(ARGV[3]), (#ARGV - 3) / 2
local fields = signs_of_life(lease_ms)
local lost, cancelled, ids = {}, {}, {}
for i = 1, total do ids[i] = ARGV[2 + i * 2] end
local claims = total > 0 and call('HMGET', running, unpack(ids)) or {}
local asked = total > 0 and call('EXISTS', cancelling) == 1 and call('HMGET', cancelling, unpack(ids)) or {}
local expiries, expiry = {}, fmt('%.0f', now + lease_ms)
for i = 1, total do
  if claims[i] and match(claims[i], '^%d+') == ARGV[3 + i * 2] then
    expiries[#expiries + 1] = expiry
    expiries[#expiries + 1] = ids[i]
    if asked[i] then cancelled[#cancelled + 1] = ids[i] end
  else
    lost[#lost + 1] = ids[i]
  end
end
if is_new then begin_writing() end
if #expiries > 0 then call('ZADD', leases, 'XX', unpack(expiries)) end
call('HSET', control, unpack(fields))
return {fmt('%.0f', now), lost, cancelled}
