#!lua flags=no-writes,allow-oom
-- Reads which tasks run, those whose lease ends first before others.
-- KEYS control HASH, leases ZSET, running HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sentinel   ARGV[4] limit, tasks, at most 5,000
-- Returns: now ms, number of running tasks, then two for each task: id, what `running` says of it or ''.
-- include begin known
-- check keys

local ids, total = {}, call('ZCARD', leases)
for _, id in ipairs(call('ZRANGE', leases, 0, ARGV[4] - 1)) do
  if id ~= ARGV[3] then ids[#ids + 1] = id end
end
if total > 0 and call('ZSCORE', leases, ARGV[3]) then total = total - 1 end
local reply = {fmt('%.0f', now), total}
if #ids > 0 then
  local claims = call('HMGET', running, unpack(ids))
  for i, id in ipairs(ids) do
    reply[1 + 2 * i], reply[2 + 2 * i] = id, claims[i] or ''
  end
end
return reply
