#!lua flags=allow-oom
-- Due tasks become ready, and up to `limit` ready ones are leased to one worker: from lanes that have opened, then
-- by priority, then by age. None while the queue is paused, no more than the claim rate allows, and none whose time to
-- begin is over: it is put off until `expire` has ended it, which is told.
-- KEYS control HASH, session STRING; read before anything is written: tasks HASH, ready LIST, removed SET,
-- prioritized ZSET, closed HASH, scheduled ZSET, retrying ZSET, leases ZSET, running HASH, history HASH, expiring ZSET,
-- notify LIST; looked at where there are lanes, or tasks are due: held ZSET, faults HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] limit, tasks   ARGV[5] lease, ms
-- ARGV[6] worker id   ARGV[7] '1': one task in 20 is the one that has waited longest, whatever its priority; '': strict
-- ARGV[8] bytes of envelopes to stop at   ARGV[9] sentinel   then the lanes `unknown:<task>` that this worker can run
-- Returns: fence, now ms, next due ms or '', 1 when leases have run out, 1 when more is ready, 1 while paused, list of
-- closed lanes, ms at which the claim rate gives more or '' (where more is ready), 1 when the time of some to begin is
-- over; then for each task: id, envelope, first line of its history or '', ready time's digits or ''.
-- include begin session life envelope elements wake
-- check keys

local limit, lease_ms, worker, is_fair = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7] == '1'
local max_bytes, sentinel = tonumber(ARGV[8]), ARGV[9]
local LOOK_AT_MOST, LEVELS_AT_MOST, FAIR_EVERY, PUT_OFF_MS = 1024, 16, 20, 10000

-- When the first of a place is due, as it stands there; or nil. Most often there is none, and ZCARD is the least.
local function first_due(place)
  return call('ZCARD', place) > 0 and call('ZRANGE', place, 0, 0, 'WITHSCORES')[2] or nil
end

local next_scheduled, next_retry = first_due(scheduled), first_due(retrying)
local has_expired = #call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 1)

-- Whether the time of a task to begin is over.
local first_over = first_due(expiring)
local has_overdue = first_over and tonumber(first_over) <= now
local function is_overdue(id)
  local time = has_overdue and call('ZSCORE', expiring, id)
  return time and tonumber(time) <= now
end

-- Lanes, where the queue has any. `giving`: those that give out to this worker, as they have opened, or only its kind can
-- run them. `shut`: the set of those that do not.
local has_lanes = call('HLEN', closed) > 0
local giving, shut = {}, {}
local read_lanes, members_of, has_more_in_lanes, has_unknown
if has_lanes then
  -- include lanes
  wrong = check_types('zset', held)
  if wrong then return wrong end
  local can_run = {}
  for i = 10, #ARGV do can_run[ARGV[i]] = true end

  function read_lanes()
    giving, shut = {}, {}
    local lanes = call('HGETALL', closed)
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
  end

  function members_of(lane, count)
    local from, to = lane_range(lane)
    return call('ZRANGEBYLEX', held, from, to, 'LIMIT', 0, count)
  end

  function has_more_in_lanes()
    for _, lane in ipairs(giving) do
      if members_of(lane, 1)[1] then return true end
    end
    return false
  end

  -- Whether tokens may be meant for a worker that knows what this one does not.
  function has_unknown()
    for lane in pairs(shut) do
      if sub(lane, 1, 8) == 'unknown:' then return true end
    end
    return false
  end

  read_lanes()
end

-- The claim rate, where the queue has one.
local bucket, full_behind, next_token
if known.limits then
  -- include limits
  bucket, full_behind = read_bucket('claim_rate'), full_after

  function next_token()
    local left = read_bucket('claim_rate')
    return left and left.tokens < 1 and fmt('%.0f', next_token_at(left)) or ''
  end
end

-- Room for what is reported, and behind it the tasks that the worker holds; `found`: {id, digits, envelope}.
local function describe(found)
  local lines, ids = {'', '', '', '', '', '', '', '', ''}, {}
  if #found == 0 then return lines end
  for i = 1, #found do ids[i] = found[i][1] end
  local histories = call('HLEN', history) > 0 and call('HMGET', history, unpack(ids)) or {}
  for i = 1, #found do
    local n = #lines
    lines[n + 1], lines[n + 2] = ids[i], found[i][3]
    lines[n + 3] = histories[i] and match(histories[i], '^[^\n]*') or ''
    lines[n + 4] = found[i][2]
  end
  return lines
end

-- What the worker needs to know beside its tasks.
local function report(lines, fence, has_more)
  local next_due = next_scheduled or next_retry or ''
  if next_retry and tonumber(next_retry) < tonumber(next_due) then next_due = next_retry end
  lines[1], lines[2], lines[3], lines[4] = fence, fmt('%.0f', now), next_due, has_expired
  lines[5], lines[6] = has_more and 1 or 0, paused and 1 or 0
  lines[7] = has_lanes and call('HKEYS', closed) or {}
  lines[8] = has_more and not paused and next_token and next_token() or ''
  lines[9] = has_overdue and 1 or 0
  return lines
end

local function is_due(first)
  return first and tonumber(first) <= now
end

-- What is due becomes ready, in order of its time.
if not replayed and (is_due(next_scheduled) or is_due(next_retry)) then
  -- include ready history retries
  local PROMOTE_AT_MOST = 256
  wrong = check_types('hash', tasks, 'list', ready, 'set', removed, 'zset', prioritized, 'hash', running,
    'hash', history, 'hash', faults, 'list', notify)
  if wrong then return wrong end
  begin_writing()
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
  next_scheduled, next_retry = first_due(scheduled), first_due(retrying)
end

-- How many are in the list, of them struck out, and of other priorities.
local length, struck_out, ahead = call('LLEN', ready), call('SCARD', removed), call('ZCARD', prioritized)

if replayed then
  local fence, ids, found = replayed[1], replayed[2], {}
  if #ids > 0 then
    local envelopes, claims = call('HMGET', tasks, unpack(ids)), call('HMGET', running, unpack(ids))
    for i = 1, #ids do -- those that are still held by this claim
      local digits = match(claims[i] or '', '^' .. fence .. ' %d+ (%w*) ')
      if digits and envelopes[i] then found[#found + 1] = {ids[i], digits, envelopes[i]} end
    end
  end
  return report(describe(found), fence, length - struck_out + ahead > 0 or has_lanes and has_more_in_lanes())
end

local fields = signs_of_life(lease_ms)
local fence = math.max((tonumber(known.fence) or 0) + 1, now_us)
local fence_text = fmt('%.0f', fence)
local turn = tonumber(known.turn) or 0
if paused then
  if is_new then begin_writing() end
  call('HSET', control, unpack(fields))
  local has_more = length - struck_out + ahead > 0 or has_lanes and has_more_in_lanes()
  return answer({fence_text, {}}) and report(describe({}), fence_text, has_more)
end

if bucket and bucket.tokens < limit then limit = bucket.tokens end

-- Tasks are leased directly from lanes that give out; what belongs to a shut one is put aside when it is met.
local taken, bytes = {}, 0           -- taken: {id, digits, envelope}
local from_lanes, emptied = {}, {}   -- members of `held`; lanes without any
local overdue = {}                   -- ids
for _, lane in ipairs(giving) do
  if #taken >= limit or bytes >= max_bytes then break end
  local members = members_of(lane, limit - #taken)
  for _, member in ipairs(members) do
    if bytes >= max_bytes then break end
    local id = sub(member, #lane + 2)
    local envelope = call('HGET', tasks, id)
    from_lanes[#from_lanes + 1] = member
    if envelope and is_overdue(id) then
      overdue[#overdue + 1] = id
    elseif envelope then
      bytes = bytes + #envelope
      taken[#taken + 1] = {id, own_time(id, now), envelope}
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
  taken[#taken + 1] = {id, digits, envelope}
end

-- One task in 20 goes to whoever has waited longest: the head of the list and of each priority, merged by time.
local in_fair, fair_of_list = {}, 0
local fair_count = floor((turn + limit) / FAIR_EVERY) - floor(turn / FAIR_EVERY)
if is_fair and fair_count > 0 and ahead > 0 then
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

-- From the front of the list: `consumed` elements are looked at and leave it.
local struck, consumed = {}, 0
local function take_from_list(wanted)
  local size = 8
  while #taken < wanted and bytes < max_bytes and consumed < math.min(length, LOOK_AT_MOST) do
    local elements = call('LRANGE', ready, consumed, consumed + math.min(size, wanted - #taken) - 1)
    local ids, digits = {}, {}
    for i = 1, #elements do ids[i], digits[i] = split_element(elements[i]) end
    local dropped = struck_out > 0 and call('SMISMEMBER', removed, unpack(ids)) or {}
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
  while #taken < limit and bytes < max_bytes and seen < math.min(ahead, LOOK_AT_MOST) do
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

-- What is read comes before what is written: a key of another type changes nothing.
local lines = describe(taken)
local is_first = #taken > 0 and call('HEXISTS', running, sentinel) == 0
local has_more = length - consumed - (struck_out - #struck) + ahead - #gone > 0
local tokens = (has_more or has_lanes or #taken == 0) and call('LLEN', notify)

-- The fence first: whatever comes between, no other claim has the same. Then leases, then the places that the tasks leave.
local ids = {}
fields[#fields + 1], fields[#fields + 2] = 'turn', fmt('%.0f', turn + #taken)
if #taken > 0 then fields[#fields + 1], fields[#fields + 2] = 'fence', fence_text end
if bucket and #taken > 0 then
  fields[#fields + 1], fields[#fields + 2] = 'claim_rate_full', full_behind(bucket, #taken)
end
-- A worker that finds nothing says that it is there, and changes nothing.
if is_new or #taken + #gone + #put_aside + #from_lanes + #emptied + #overdue + consumed > 0 then begin_writing() end
call('HSET', control, unpack(fields))
if #taken > 0 then
  local expiry, claimed = fmt('%.0f', now + lease_ms), fence_text .. fmt(' %.0f ', now)
  local expiries, claims = {}, {}
  for i, task in ipairs(taken) do
    ids[i] = task[1]
    expiries[2 * i - 1], expiries[2 * i] = expiry, task[1]
    claims[2 * i - 1], claims[2 * i] = task[1], claimed .. task[2] .. ' ' .. worker
  end
  if is_first then
    call('ZADD', leases, '+inf', sentinel)
    call('HSET', running, sentinel, sentinel)
  end
  call('ZADD', leases, unpack(expiries))
  call('HSET', running, unpack(claims))
end
if #overdue > 0 then
  for _, id in ipairs(overdue) do call('ZADD', scheduled, now + PUT_OFF_MS, id) end
  next_scheduled = first_due(scheduled)
end
for _, member in ipairs(put_aside) do call('ZADD', held, 0, member) end
for _, member in ipairs(from_lanes) do call('ZREM', held, member) end
if #emptied > 0 then call('HDEL', closed, unpack(emptied)) end
if #gone > 0 then call('ZREM', prioritized, unpack(gone)) end
if consumed > 0 then call('LTRIM', ready, consumed, -1) end
for _, id in ipairs(struck) do call('SREM', removed, id) end
if has_lanes then
  read_lanes()
  has_more = has_more or has_more_in_lanes()
end
if is_for_others then
  wake(MAX_TOKENS, tokens) -- one of those that listen may know the name
elseif has_more then
  -- Where tokens of the rate are missing, whoever is told so comes back for them.
  if not bucket or bucket.tokens > #taken then wake(1, tokens) end
elseif #taken == 0 and tokens > 0 and not (has_lanes and has_unknown()) then
  call('DEL', notify)
end
return answer({fence_text, ids}) and report(lines, fence_text, has_more)
