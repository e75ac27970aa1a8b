#!lua flags=allow-oom
-- The queue is gone, with everything in it. Only an empty one, unless forced; never one of which tasks run.
-- KEYS control HASH, session STRING, tasks HASH, ready LIST, removed SET, prioritized ZSET, held ZSET, scheduled ZSET,
-- blocked ZSET, leases ZSET, retrying ZSET, dead ZSET, trash ZSET, imported ZSET, then every other key of the queue that
-- does not expire
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] '1': also one that is not empty, else ''
-- ARGV[5] with how many tasks at most, '': however many   ARGV[6] sentinel
-- Returns: now ms, 1 when it is gone, else 0, number of tasks, then how many were ready, held, scheduled, blocked,
-- running, retrying, dead, trashed.
-- include begin session
if replayed then return replayed end
-- include known marks
-- check keys

local running_count = call('ZCARD', leases)
if running_count > 0 and call('ZSCORE', leases, ARGV[6]) then running_count = running_count - 1 end
local total = call('HLEN', tasks)
local counts = {
  math.max(0, call('LLEN', ready) - call('SCARD', removed)) + call('ZCARD', prioritized), call('ZCARD', held),
  call('ZCARD', scheduled), call('ZCARD', blocked), running_count, call('ZCARD', retrying), call('ZCARD', dead),
  call('ZCARD', trash),
}
local is_allowed = total == 0 or (ARGV[4] == '1' and (ARGV[5] == '' or total <= tonumber(ARGV[5])))
if not is_allowed or running_count > 0 then return answer({fmt('%.0f', now), 0, total, unpack(counts)}) end

-- Whoever moved tasks here, and slept or died, asks once more what became of them: marks stay as long as elsewhere.
local has_marks = expire_marks()
for i = #KEYS, 1, -1 do
  local key = KEYS[i]
  if key ~= session and not (key == imported and has_marks) then call('UNLINK', key) end
end
return answer({fmt('%.0f', now), 1, total, unpack(counts)})
