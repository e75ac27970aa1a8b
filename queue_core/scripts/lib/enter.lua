-- Tasks enter the queue: `total` of them, three arguments each from ARGV[4] on (see enqueue.lua). What is in the queue
-- already stands in `met`; how many have entered, in `entering`. Needs begin.lua, session.lua, figures.lua, count.lua,
-- names.lua, envelope.lua, ready.lua, wake.lua, and the names of the keys of enqueue.lua.
local ids = {}
for i = 1, total do ids[i] = ARGV[1 + i * 3] end
local known_envelopes = call('HMGET', tasks, unpack(ids))
local met, fields, elements, in_batch, by_name, ready_now = {}, {}, {}, {}, {}, 0
local has_struck_out, tokens = call('SCARD', removed) > 0, call('LLEN', notify)

local function meet(id, state, holder)
  if state == 'prioritized' or state == 'struck out' then state = 'ready' end
  met[#met + 1] = id
  met[#met + 1] = holder and state .. ' ' .. holder or state
end

-- Most tasks are new, and ready at once in the list: what others need is made where there are some.
local is_plain = true
for i = 1, total do is_plain = is_plain and not known_envelopes[i] and ARGV[3 + i * 3] == '' end
local none = {}
local later, ahead, keys, windows, ends, earliest = none, none, none, none, none, nil
local meet_known, is_unique, take_timed_keys
if not is_plain then
  -- include places unique
  local holders, timed_keys = {}, {}
  later, ahead, keys, windows, ends = {}, {}, {}, {}, {}

  function meet_known(id, envelope)
    meet(id, (place_of(id, envelope)))
  end

  -- Whether nobody holds the key, so that this task takes it; else its holder is met.
  function is_unique(id, key, window)
    local holder = holders[key] or holder_of(key)
    if not holder then
      holders[key] = id
      if window > 0 then
        timed_keys[#timed_keys + 1] = key
        timed_keys[#timed_keys + 1] = fmt('%s %.0f', id, now + window)
        windows[#windows + 1] = fmt('%.0f', now + window)
        windows[#windows + 1] = key
      else
        keys[#keys + 1] = key
        keys[#keys + 1] = id .. ' 0'
      end
      return true
    end
    local envelope = not in_batch[holder] and call('HGET', tasks, holder)
    meet(id, in_batch[holder] or envelope and place_of(holder, envelope) or 'ended', holder)
    return false
  end

  -- Behind their tasks: a key that is held for a time is met whether its task is there or not. Those whose time is over
  -- go, a few more than come.
  function take_timed_keys()
    for _, key in ipairs(call('ZRANGEBYSCORE', unique_expiring, '-inf', now, 'LIMIT', 0, #windows + 8)) do
      if not holder_of(key) then call('HDEL', unique, key) end
      call('ZREM', unique_expiring, key)
    end
    call('ZADD', unique_expiring, unpack(windows))
    call('HSET', unique, unpack(timed_keys))
  end
end

for i = 1, total do
  local id, envelope, place = ids[i], ARGV[2 + i * 3], ARGV[3 + i * 3]
  if known_envelopes[i] then
    meet_known(id, known_envelopes[i])
  elseif in_batch[id] then
    meet(id, in_batch[id])
  else
    local priority, due, enters = 0, 0, true
    if place ~= '' then
      local delay, at, more
      priority, delay, at, more = match(place, '^(-?%d+) (%d+) (%d+)(.*)$')
      priority, due = tonumber(priority), tonumber(at)
      if tonumber(delay) > 0 then due = now + delay end
      if more ~= '' then
        local expires, window, wanted = match(more, '^ (%d+) (%d+) (.*)$')
        expires, window = tonumber(expires), tonumber(window)
        enters = wanted == '' or is_unique(id, wanted, window)
        if enters and expires > 0 then
          ends[#ends + 1] = fmt('%.0f', now + expires)
          ends[#ends + 1] = id
        end
      end
    end
    if enters then
      fields[#fields + 1] = id
      fields[#fields + 1] = envelope
      local name = name_of(envelope)
      by_name[name] = (by_name[name] or 0) + 1
      in_batch[id] = 'ready'
      if due > now then
        later[#later + 1] = due
        later[#later + 1] = id
        in_batch[id] = 'scheduled'
        if not earliest or due < earliest then earliest = due end
      else
        ready_now = ready_now + 1
        if priority ~= 0 then
          ahead[#ahead + 1] = score_of(priority, now)
          ahead[#ahead + 1] = id
        elseif not (has_struck_out and call('SISMEMBER', removed, id) == 1) then
          elements[#elements + 1] = element_of(id, own_time(id, now))
        else
          in_batch[id] = 'struck out'
        end
      end
    end
  end
end

local entering = #fields / 2
local rate_full = nil
if known.limits and entering > 0 then
  -- include limits
  local most = limit_of('max_length')
  local length = most and call('HLEN', tasks) - call('ZCARD', dead) - call('ZCARD', trash)
  if most and length + entering > most then
    return redis.error_reply(fmt('QUEUEFULL %s %.0f %.0f %.0f', control, most, length, entering))
  end
  local bucket = read_bucket('enqueue_rate')
  if bucket and entering > bucket.tokens then
    local wait = entering <= bucket.capacity and tokens_at(bucket, entering) - now or 0
    return redis.error_reply(fmt('RATE %s %.0f %.0f %.0f %.0f', control, bucket.capacity, bucket.period, entering, wait))
  end
  rate_full = bucket and full_after(bucket, entering)
end
if #keys > 0 or #windows > 0 or #ends > 0 or #ahead > 0 or #later > 0 then
  wrong = check_types('hash', unique, 'zset', unique_expiring, 'zset', expiring, 'list', ready, 'zset', prioritized,
    'zset', scheduled, 'zset', retrying)
  if wrong then return wrong end
end

if entering > 0 then
  local first_due = nil
  if earliest then
    for _, place in ipairs({scheduled, retrying}) do
      local first = call('ZRANGE', place, 0, 0, 'WITHSCORES')[2]
      if first and (not first_due or tonumber(first) < first_due) then first_due = tonumber(first) end
    end
  end
  -- The list goes first: where it is none, nothing has been written.
  if #elements > 0 then call('RPUSH', ready, unpack(elements)) end
  begin_writing()
  if rate_full then call('HSET', control, 'enqueue_rate_full', rate_full) end
  if #ends > 0 then call('ZADD', expiring, unpack(ends)) end
  if #keys > 0 then
    for i = 1, #keys, 2 do call('ZREM', unique_expiring, keys[i]) end
    call('HSET', unique, unpack(keys))
  end
  if #ahead > 0 then call('ZADD', prioritized, unpack(ahead)) end
  if #later > 0 then call('ZADD', scheduled, unpack(later)) end
  if has_struck_out then
    for id, state in pairs(in_batch) do
      if state == 'struck out' then call('SREM', removed, id) end
    end
  end
  -- The envelopes last: an id that has one and stands nowhere would be lost, and met when it is sent again.
  call('HSET', tasks, unpack(fields))
  if #windows > 0 then take_timed_keys() end
  count('enqueued', entering)
  for name, number in pairs(by_name) do count_name('enqueued', name, number) end
  if earliest and not (first_due and first_due <= earliest) and ready_now == 0 then ready_now = 1 end
  wake(ready_now, tokens)
end
