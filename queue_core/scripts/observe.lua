#!lua flags=no-writes,allow-oom
-- Reads one queue as it is at one moment: its books, how many tasks stand in each place, what comes next, its lanes.
-- KEYS control HASH, telemetry HASH, names HASH, attempts HASH, running HASH, dead_by_fault ZSET, trashed HASH, imported
-- ZSET, cancelling HASH, unique HASH, unique_expiring ZSET, expiring ZSET, occurrences HASH, history HASH, faults HASH,
-- outcomes HASH, notify LIST; read all the same: stats HASH, tasks HASH, ready LIST, removed SET, prioritized ZSET, held
-- ZSET, closed HASH, scheduled ZSET, retrying ZSET, leases ZSET, blocked ZSET, dead ZSET, trash ZSET, faults_seen ZSET,
-- operations ZSET
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sentinel   ARGV[4] dead letters that are not too many, where the
-- limits do not say   then the names of the books' counters
-- Returns: now ms; list: tasks, ready, held, scheduled, blocked, running, retrying, dead, trashed, faults, operations,
-- those of them that are under way; list of the counters in the order of their names; list: id and ready time's digits or
-- '' of the list's oldest task, or nothing; list of the oldest score of each priority; list of the earliest due time of
-- each place that has one; pause or ''; limits or ''; how many calls have changed the queue, or ''; when a task died last,
-- ms or ''; where there are too many dead letters, when the first beyond that died, or ''; then for each lane: lane, what
-- `closed` says of it, number of tasks held in it.
-- include begin envelope elements ready lanes known
-- check keys
local LOOK_AT_MOST, LEVELS_AT_MOST, LANES_AT_MOST = 100, 16, 100

-- The first element of the list that was not struck out.
local function oldest_in_list()
  local elements = call('LRANGE', ready, 0, 0)
  if #elements > 0 and call('SCARD', removed) > 0 then elements = call('LRANGE', ready, 0, LOOK_AT_MOST - 1) end
  for _, element in ipairs(elements) do
    local id, digits = split_element(element)
    if call('SISMEMBER', removed, id) == 0 then return {id, digits} end
  end
  return {}
end

-- The lowest score of each priority, from the lowest priority on: one jump for each.
local function oldest_of_each_priority()
  local scores, below = {}, '+inf'
  for _ = 1, LEVELS_AT_MOST do
    local last = call('ZREVRANGEBYSCORE', prioritized, below, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if not last[1] then break end
    local first = fmt('%.0f', floor(last[2] / PRIORITY_STEP) * PRIORITY_STEP)
    scores[#scores + 1] = call('ZRANGEBYSCORE', prioritized, first, last[2], 'WITHSCORES', 'LIMIT', 0, 1)[2]
    below = '(' .. first
  end
  return scores
end

local due = {}
for _, place in ipairs({scheduled, retrying}) do
  due[#due + 1] = call('ZRANGE', place, 0, 0, 'WITHSCORES')[2]
end
-- By its rank: the dead letters stand in the order of their deaths.
local function too_many_since()
  local accepted = tonumber(match(known.limits or '', '"dead_warning":(%d+)') or ARGV[4])
  if call('ZCARD', dead) <= accepted then return '' end
  return call('ZRANGE', dead, accepted, accepted, 'WITHSCORES')[2]
end

local counters = call('HMGET', stats, unpack(ARGV, 5))
for i = 1, #ARGV - 4 do counters[i] = counters[i] or '0' end
local leased = call('ZCARD', leases)
if leased > 0 and call('ZSCORE', leases, ARGV[3]) then leased = leased - 1 end
local reply = {
  fmt('%.0f', now),
  {call('HLEN', tasks), ready_count(), call('ZCARD', held), call('ZCARD', scheduled), call('ZCARD', blocked), leased,
    call('ZCARD', retrying), call('ZCARD', dead), call('ZCARD', trash), call('ZCARD', faults_seen),
    call('ZCARD', operations), call('ZCOUNT', operations, '-inf', '(0')},
  counters, oldest_in_list(), oldest_of_each_priority(), due, known.paused or '', known.limits or '',
  known.changes or '', known.died_at or '',
  too_many_since(),
}
if call('HLEN', closed) > 0 then
  local lanes = call('HGETALL', closed)
  for i = 1, math.min(#lanes, 2 * LANES_AT_MOST), 2 do
    reply[#reply + 1] = lanes[i]
    reply[#reply + 1] = lanes[i + 1]
    reply[#reply + 1] = lane_count(lanes[i])
  end
end
return reply
