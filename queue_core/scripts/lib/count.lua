-- The books are counters that only grow: what happened in a minute is the difference between two of their states. When
-- something is to be counted and the minute is not the noted one any more, what was counted since is that minute's.
-- Needs begin.lua, and the names `stats` and `telemetry` of the script's keys.

-- Their order is that of the figures in `telemetry`: new ones go to the end.
local COUNTERS = {'enqueued', 'completed', 'failed', 'retried', 'died', 'discarded', 'expired', 'cancelled', 'crashed',
  'requeued', 'deleted', 'imported', 'exported', 'repaired'}
local MINUTES_KEPT, HOURS_KEPT, MINUTE_MS, BUCKETS = 1500, 840, 60000, 28
local LARGEST_NUMBER = 2 ^ 53

local function whole(value)
  value = tonumber(value)
  return value and value == floor(value) and value > -LARGEST_NUMBER and value < LARGEST_NUMBER and value or nil
end

-- `noted`: the minute of what was counted last, since 1970. A clock that goes back stays in it, up to an hour: after a
-- failover it soon is that minute again.
local minute, noted = floor(now / MINUTE_MS), whole(known[7])
local is_new_minute = not noted or noted < 0 or minute > noted or minute < noted - 60
if is_new_minute then
  local wrong = check_types('hash', stats, 'hash', telemetry)
  if wrong then return wrong end
end

-- Figures: the counters in their order, then the counts of a histogram's buckets of the wait, then of the run.
local function figures_of(parts)
  local figures = {}
  for part = 1, 3 do
    local list = {}
    for i = 1, part == 1 and #COUNTERS or BUCKETS do
      list[i] = type(parts[part]) == 'table' and whole(parts[part][i]) or 0
    end
    figures[part] = list
  end
  return figures
end

local function unpack_figures(packed)
  local ok, parts = pcall(cmsgpack.unpack, packed or '')
  return ok and type(parts) == 'table' and figures_of(parts) or nil
end

-- Without the zeros at the end of each list.
local function pack_figures(figures)
  local packed = {}
  for part = 1, 3 do
    local list, length = {}, 0
    for i, number in ipairs(figures[part]) do
      if number ~= 0 then length = i end
    end
    for i = 1, length do list[i] = figures[part][i] end
    packed[part] = list
  end
  return cmsgpack.pack(packed)
end

local function add_figures(to, more, sign)
  for part = 1, 3 do
    for i, number in ipairs(more[part]) do to[part][i] = to[part][i] + (sign or 1) * number end
  end
  return to
end

-- The books as they stand now. A histogram is one field of them: its buckets' counts, with spaces between.
local function read_books()
  local values = call('HMGET', stats, 'wait', 'run', unpack(COUNTERS))
  local parts = {{}, {}, {}}
  for i = 1, #COUNTERS do parts[1][i] = values[i + 2] end
  for part = 2, 3 do
    for number in string.gmatch(values[part - 1] or '', '[^ ]+') do parts[part][#parts[part] + 1] = number end
  end
  return figures_of(parts)
end

-- The noted minute has ended. It is kept for 25 hours and its part of an hour for 35 days: what has become older since
-- the last time goes, by its name. Where no minute is noted, or its state is lost, what was counted before is in none.
local function end_minute()
  local books, fields = read_books(), {}
  if noted then
    local at = math.min(noted, minute)
    local of_minute, of_hour = fmt('m%.0f', at), fmt('h%.0f', floor(at / 60))
    local found = call('HMGET', telemetry, 'last', of_minute, of_hour)
    local last = unpack_figures(found[1])
    if last then
      local counted = add_figures(read_books(), last, -1)
      for i, field in ipairs({of_minute, of_hour}) do
        fields[2 * i - 1] = field
        fields[2 * i] = pack_figures(add_figures(unpack_figures(found[i + 1]) or figures_of({}), counted))
      end
    end
  end
  fields[#fields + 1], fields[#fields + 2] = 'last', pack_figures(books)
  call('HSET', telemetry, unpack(fields))
  call('HSETNX', telemetry, 'since', fmt('%.0f', minute))
  call('HSET', control, 'minute', fmt('%.0f', minute))
  if noted then
    local gone = {}
    for old = noted - MINUTES_KEPT + 1, math.min(minute - MINUTES_KEPT, noted) do gone[#gone + 1] = fmt('m%.0f', old) end
    for old = floor(noted / 60) - HOURS_KEPT + 1, math.min(floor(minute / 60) - HOURS_KEPT, floor(noted / 60)) do
      gone[#gone + 1] = fmt('h%.0f', old)
    end
    if #gone > 0 then call('HDEL', telemetry, unpack(gone)) end
  end
  noted, is_new_minute = minute, false
end

-- Something happened `n` times: every counter of the books changes here. One that is no number begins again.
local function count(what, n)
  if n == 0 then return end
  if is_new_minute then end_minute() end
  local counted = redis.pcall('HINCRBY', stats, what, n)
  if type(counted) == 'table' then call('HSET', stats, what, n) end
end
