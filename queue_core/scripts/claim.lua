#!lua flags=allow-oom
-- Due tasks become ready, and up to `limit` ready ones are leased to one worker: from lanes that have opened, then
-- by priority, then by age. None while the queue is paused, no more than the claim rate allows, and none whose time to
-- begin is over: it is put off until `expire` has ended it, which is told.
-- KEYS control HASH, session STRING, tasks HASH, ready LIST, removed SET, prioritized ZSET, held ZSET, closed HASH,
-- scheduled ZSET, retrying ZSET, leases ZSET, running HASH, history HASH, faults HASH, expiring ZSET, notify LIST
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] limit, tasks   ARGV[5] lease, ms
-- ARGV[6] worker id   ARGV[7] '1': one task in 20 is the one that has waited longest, whatever its priority; '': strict
-- ARGV[8] bytes of envelopes to stop at   ARGV[9] sentinel   then the lanes `unknown:<task>` that this worker can run
-- Returns: fence, now ms, next due ms or '', 1 when leases have run out, 1 when more is ready, 1 while paused, list of
-- closed lanes, ms at which the claim rate gives more or '' (where more is ready), 1 when the time of some to begin is
-- over; then for each task: id, envelope, first line of its history or '', ready time's digits or ''.
-- include begin session life envelope ready history retries lanes limits wake
local limit, lease_ms, worker, is_fair = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7] == '1'
local max_bytes, sentinel = tonumber(ARGV[8]), ARGV[9]
local PROMOTE_AT_MOST, LOOK_AT_MOST, LEVELS_AT_MOST, FAIR_EVERY, PUT_OFF_MS = 256, 1024, 16, 20, 10000

local can_run = {}
for i = 10, #ARGV do can_run[ARGV[i]] = true end

-- The lanes that give out to this worker: those that have opened, and those that only its kind can run. And the set of
-- those that do not.
local function read_lanes()
  local giving, shut = {}, {}
  local lanes = call('HLEN', closed) > 0 and call('HGETALL', closed) or {}
  for i = 1, #lanes, 2 do
    if sub(lanes[i + 1], 1, 5) ~= 'open ' and not can_run[lanes[i]] then shut[lanes[i]] = true end
  end
  for i = 1, #lanes, 2 do
    local lane = lanes[i]
    -- What no worker knew waits on, where its name has been paused since.
    if not shut[lane] and not (sub(lane, 1, 8) == 'unknown:' and shut['name:' .. sub(lane, 9)]) then
      giving[#giving + 1] = lane
    end
  end
  return giving, shut, #lanes > 0
end

-- Whether tokens may be meant for a worker that knows what this one does not.
local function has_unknown()
  for lane in pairs((select(2, read_lanes()))) do
    if sub(lane, 1, 8) == 'unknown:' then return true end
  end
  return false
end

-- Whether the time of a task to begin is over.
local has_overdue = call('ZRANGEBYSCORE', expiring, '-inf', now, 'LIMIT', 0, 1)[1] ~= nil
local function is_overdue(id)
  local time = has_overdue and call('ZSCORE', expiring, id)
  return time and tonumber(time) <= now
end

local function has_more()
  if ready_count() > 0 then return true end
  for _, lane in ipairs((read_lanes())) do
    local from, to = lane_range(lane)
    if call('ZRANGEBYLEX', held, from, to, 'LIMIT', 0, 1)[1] then return true end
  end
  return false
end

-- What the worker needs to know beside its tasks; `ids` are those that it holds by this claim's fence.
local function report(fence, ids)
  local next_due = ''
  for _, place in ipairs({scheduled, retrying}) do
    local due = call('ZRANGE', place, 0, 0, 'WITHSCORES')[2]
    if due and (next_due == '' or tonumber(due) < tonumber(next_due)) then next_due = due end
  end
  local has_expired = #call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 1)
  local lanes = call('HLEN', closed) > 0 and call('HKEYS', closed) or {}
  local more, bucket = has_more(), read_bucket('claim_rate')
  local next_token = more and not paused and bucket and bucket.tokens < 1 and fmt('%.0f', next_token_at(bucket)) or ''
  local lines = {fence, fmt('%.0f', now), next_due, has_expired, more and 1 or 0, paused and 1 or 0, lanes, next_token,
    has_overdue and 1 or 0}
  if #ids == 0 then return lines end
  local envelopes = call('HMGET', tasks, unpack(ids))
  local claims = call('HMGET', running, unpack(ids))
  local histories = call('HLEN', history) > 0 and call('HMGET', history, unpack(ids)) or {}
  for i = 1, #ids do
    local digits = match(claims[i] or '', '^' .. fence .. ' %d+ (%w*) ')
    if digits and envelopes[i] then
      local n = #lines
      lines[n + 1], lines[n + 2] = ids[i], envelopes[i]
      lines[n + 3] = histories[i] and match(histories[i], '^[^\n]*') or ''
      lines[n + 4] = digits
    end
  end
  return lines
end

if replayed then
  return report(replayed[1], replayed[2])
end
-- check keys

local fields = signs_of_life(lease_ms)
begin_writing()

-- What is due becomes ready, in order of its time.
for _, place in ipairs({scheduled, retrying}) do
  local due = call('ZRANGEBYSCORE', place, '-inf', now, 'WITHSCORES', 'LIMIT', 0, PROMOTE_AT_MOST)
  for i = 1, #due, 2 do
    local id, envelope = due[i], call('HGET', tasks, due[i])
    if envelope then
      make_ready(id, priority_of(envelope), own_time(id, tonumber(due[i + 1])))
      if place == retrying then
        count_in_fault(read_history(id).fault, 'retrying', -1)
      end
    end
    call('ZREM', place, id)
  end
end

local fence = math.max((tonumber(known.fence) or 0) + 1, now_us)
local fence_text = fmt('%.0f', fence)
local turn = tonumber(known.turn) or 0
if paused then
  call('HSET', control, unpack(fields))
  return answer({fence_text, {}}) and report(fence_text, {})
end

local bucket = read_bucket('claim_rate')
if bucket and bucket.tokens < limit then limit = bucket.tokens end

-- Lanes: tasks are leased directly from those that give out; what belongs to a shut one is put aside when it is met.
local giving, shut, has_lanes = read_lanes()
local taken, bytes = {}, 0           -- taken: {id, digits}
local from_lanes, emptied = {}, {}   -- members of `held`; lanes without any
local overdue = {}                   -- ids
for _, lane in ipairs(giving) do
  if #taken >= limit or bytes >= max_bytes then break end
  local from, to = lane_range(lane)
  local members = call('ZRANGEBYLEX', held, from, to, 'LIMIT', 0, limit - #taken)
  for _, member in ipairs(members) do
    if bytes >= max_bytes then break end
    local id = sub(member, #lane + 2)
    local envelope = call('HGET', tasks, id)
    from_lanes[#from_lanes + 1] = member
    if envelope and is_overdue(id) then
      overdue[#overdue + 1] = id
    elseif envelope then
      bytes = bytes + #envelope
      taken[#taken + 1] = {id, own_time(id, now)}
    end
  end
  if #members == 0 then emptied[#emptied + 1] = lane end
end

local put_aside, gone = {}, {}       -- members for `held`; ids from `prioritized`
local is_for_others = false          -- some of them wait for a worker that knows their name
local function consider(id, digits, envelope)
  if not envelope then return end
  if is_overdue(id) then
    overdue[#overdue + 1] = id
    return
  end
  if has_lanes then
    local name = name_of(envelope)
    for _, kind in ipairs({'name:', 'unknown:'}) do
      if shut[kind .. name] then
        put_aside[#put_aside + 1] = kind .. name .. '/' .. id
        is_for_others = is_for_others or kind == 'unknown:'
        return
      end
    end
  end
  bytes = bytes + #envelope
  taken[#taken + 1] = {id, digits}
end

-- One task in 20 goes to whoever has waited longest: the head of the list and of each priority, merged by time.
local in_fair, fair_of_list = {}, 0
local fair_count = floor((turn + limit) / FAIR_EVERY) - floor(turn / FAIR_EVERY)
if is_fair and fair_count > 0 and call('ZCARD', prioritized) > 0 then
  local heads = {}
  -- One that was struck out stands for those behind it: the list must have its turn, or they would never be reached.
  for _, element in ipairs(call('LRANGE', ready, 0, fair_count - 1)) do
    heads[#heads + 1] = {ready_ms(split_element(element)), nil, #heads}
  end
  local below = '+inf'
  for _ = 1, LEVELS_AT_MOST do
    local last = call('ZREVRANGEBYSCORE', prioritized, below, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if not last[1] then break end
    local floor_score = floor(last[2] / PRIORITY_STEP) * PRIORITY_STEP
    local level = call('ZRANGEBYSCORE', prioritized, fmt('%.0f', floor_score), last[2], 'WITHSCORES',
      'LIMIT', 0, fair_count)
    for i = 1, #level, 2 do heads[#heads + 1] = {level[i + 1] - floor_score + EPOCH_MS, level[i], #heads} end
    below = '(' .. fmt('%.0f', floor_score)
  end
  table.sort(heads, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[3] < b[3] end)
  for i = 1, fair_count do
    local head = heads[i]
    if not head or #taken >= limit or bytes >= max_bytes then break end
    if head[2] then
      in_fair[head[2]] = true
      gone[#gone + 1] = head[2]
      consider(head[2], own_time(head[2], head[1]), call('HGET', tasks, head[2]))
    else
      fair_of_list = fair_of_list + 1
    end
  end
end

-- From the front of the list: `count` elements are looked at and leave it.
local struck, consumed = {}, 0
local function take_from_list(wanted)
  local size = 8
  while #taken < wanted and bytes < max_bytes and consumed < LOOK_AT_MOST do
    local elements = call('LRANGE', ready, consumed, consumed + math.min(size, wanted - #taken) - 1)
    if #elements == 0 then return end
    local ids, digits = {}, {}
    for i, element in ipairs(elements) do ids[i], digits[i] = split_element(element) end
    local dropped = call('SCARD', removed) > 0 and call('SMISMEMBER', removed, unpack(ids)) or {}
    local envelopes = call('HMGET', tasks, unpack(ids))
    for i = 1, #ids do
      if bytes >= max_bytes then return end
      consumed = consumed + 1
      if dropped[i] == 1 then
        struck[#struck + 1] = ids[i]
      else
        consider(ids[i], digits[i], envelopes[i])
      end
    end
    size = bytes < 4096 * #taken and 128 or 8
  end
end

local function take_prioritized(from, to)
  local seen = 0
  while #taken < limit and bytes < max_bytes and seen < LOOK_AT_MOST do
    local found = call('ZRANGEBYSCORE', prioritized, from, to, 'WITHSCORES', 'LIMIT', seen, limit - #taken)
    if #found == 0 then return end
    for i = 1, #found, 2 do
      if bytes >= max_bytes then return end
      local id, score = found[i], tonumber(found[i + 1])
      seen = seen + 1
      if not in_fair[id] then
        gone[#gone + 1] = id
        consider(id, own_time(id, score % PRIORITY_STEP + EPOCH_MS), call('HGET', tasks, id))
      end
    end
  end
end

take_from_list(math.min(limit, #taken + fair_of_list))
take_prioritized('-inf', '(0')
take_from_list(limit)
take_prioritized(fmt('%.0f', PRIORITY_STEP), '+inf')

-- The fence first: whatever comes between, no other claim has the same. Then leases, then the places that the tasks leave.
local ids = {}
fields[#fields + 1], fields[#fields + 2] = 'turn', fmt('%.0f', turn + #taken)
if #taken > 0 then fields[#fields + 1], fields[#fields + 2] = 'fence', fence_text end
if bucket and #taken > 0 then
  fields[#fields + 1], fields[#fields + 2] = 'claim_rate_full', full_after(bucket, #taken)
end
call('HSET', control, unpack(fields))
if #taken > 0 then
  local expiry, claimed = fmt('%.0f', now + lease_ms), fence_text .. fmt(' %.0f ', now)
  local expiries, claims = {}, {}
  for i, task in ipairs(taken) do
    ids[i] = task[1]
    expiries[2 * i - 1], expiries[2 * i] = expiry, task[1]
    claims[2 * i - 1], claims[2 * i] = task[1], claimed .. task[2] .. ' ' .. worker
  end
  if call('EXISTS', leases) == 0 then
    call('ZADD', leases, '+inf', sentinel)
    call('HSET', running, sentinel, sentinel)
  end
  call('ZADD', leases, unpack(expiries))
  call('HSET', running, unpack(claims))
end
for _, id in ipairs(overdue) do call('ZADD', scheduled, now + PUT_OFF_MS, id) end
for _, member in ipairs(put_aside) do call('ZADD', held, 0, member) end
for _, member in ipairs(from_lanes) do call('ZREM', held, member) end
if #emptied > 0 then call('HDEL', closed, unpack(emptied)) end
if #gone > 0 then call('ZREM', prioritized, unpack(gone)) end
if consumed > 0 then call('LTRIM', ready, consumed, -1) end
for _, id in ipairs(struck) do call('SREM', removed, id) end
if is_for_others then
  wake(MAX_TOKENS) -- one of those that listen may know the name
elseif has_more() then
  -- Where tokens of the rate are missing, whoever is told so comes back for them.
  if not bucket or bucket.tokens > #taken then wake(1) end
elseif #taken == 0 and not has_unknown() then
  call('DEL', notify)
end
return answer({fence_text, ids}) and report(fence_text, ids)
