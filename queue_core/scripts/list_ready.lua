#!lua flags=no-writes,allow-oom
-- Reads ready tasks in the order in which a strict claim gives them out: higher priorities, the list, lower priorities.
-- KEYS control HASH, ready LIST, removed SET, prioritized ZSET
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] rank of the first, counted from 0 with what was struck out
-- ARGV[4] limit, tasks
-- Returns: now ms, number of ready tasks, rank of the next one or '', then three for each task: id, ready time's digits
-- or '', score or '' (in the list).
-- include begin envelope elements ready known
-- check keys
local LOOK_AT_MOST, STEP, SPARE = 1024, 128, 14 -- to walk to the midst of a long list once is enough

local rank, limit = tonumber(ARGV[3]), tonumber(ARGV[4])
local lowest = fmt('%.0f', PRIORITY_STEP)
local higher = call('ZCOUNT', prioritized, '-inf', '(0')
local before_lower = higher + call('LLEN', ready)
local total = before_lower + call('ZCOUNT', prioritized, lowest, '+inf')
local reply, count = {fmt('%.0f', now), math.max(0, ready_count()), ''}, 0

local function add(id, digits, score)
  count = count + 1
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3] = id, digits, score
end

local function add_prioritized(from, to, offset)
  local found = call('ZRANGEBYSCORE', prioritized, from, to, 'WITHSCORES', 'LIMIT', offset, limit - count)
  for i = 1, #found, 2 do add(found[i], '', found[i + 1]) end
  rank = rank + #found / 2
end

if rank < higher then add_prioritized('-inf', '(0', rank) end
local struck_out, looked_at = call('SCARD', removed) > 0, 0
local step = limit - count + (struck_out and SPARE or 0)
while rank >= higher and rank < before_lower and count < limit and looked_at < LOOK_AT_MOST do
  local ids, digits = {}, {}
  for i, element in ipairs(call('LRANGE', ready, rank - higher, rank - higher + step - 1)) do
    ids[i], digits[i] = split_element(element)
  end
  local dropped = struck_out and call('SMISMEMBER', removed, unpack(ids)) or {}
  for i, id in ipairs(ids) do
    if count == limit then break end
    rank, looked_at = rank + 1, looked_at + 1
    if dropped[i] ~= 1 then add(id, digits[i], '') end
  end
  step = math.min(STEP, LOOK_AT_MOST - looked_at)
end
if rank >= before_lower and count < limit then add_prioritized(lowest, '+inf', rank - before_lower) end
if rank < total then reply[3] = fmt('%.0f', rank) end
return reply
