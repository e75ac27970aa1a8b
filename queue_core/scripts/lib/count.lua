-- The books are counters that only grow: what happened in a minute is the difference between two of their states. When
-- something is to be counted and the minute is not the noted one any more, what was counted since is that minute's.
-- Needs begin.lua and figures.lua, and the names `stats` and `telemetry` of the script's keys.
local MINUTE_MS = 60000

-- `noted`: the minute of what was counted last, since 1970. A clock that goes back stays in it, up to an hour: after a
-- failover it soon is that minute again.
local minute, noted = floor(now / MINUTE_MS), whole(known.minute)
local end_minute
if not noted or noted < 0 or minute > noted or minute < noted - 60 then
  local MINUTES_KEPT, HOURS_KEPT = 1500, 840
  local wrong = check_types('hash', stats, 'hash', telemetry)
  if wrong then return wrong end

  -- The noted minute has ended. It is kept for 25 hours and its part of an hour for 35 days: what has become older since
  -- the last time goes, by its name. Where no minute is noted, or its state is lost, what was counted before is in none.
  function end_minute()
    local figures = make_figures()
    local fields = {}
    if noted then
      local at = math.min(noted, minute)
      local of_minute, of_hour = fmt('m%.0f', at), fmt('h%.0f', floor(at / 60))
      local found = call('HMGET', telemetry, 'last', of_minute, of_hour)
      local last = figures.unpack(found[1])
      if last then
        local counted = figures.add(figures.of_books(), last, -1)
        fields = {of_hour, figures.pack(figures.add_stored(figures.add(figures.of({}), counted), found[3])),
          of_minute, figures.pack(figures.add_stored(counted, found[2]))}
      end
    end
    fields[#fields + 1], fields[#fields + 2] = 'last', figures.pack(figures.of_books())
    call('HSET', telemetry, unpack(fields))
    call('HSETNX', telemetry, 'since', fmt('%.0f', now))
    call('HSET', control, 'minute', fmt('%.0f', minute))
    if noted then
      local gone = {}
      for old = noted - MINUTES_KEPT + 1, math.min(minute - MINUTES_KEPT, noted) do gone[#gone + 1] = fmt('m%.0f', old) end
      for old = floor(noted / 60) - HOURS_KEPT + 1, math.min(floor(minute / 60) - HOURS_KEPT, floor(noted / 60)) do
        gone[#gone + 1] = fmt('h%.0f', old)
      end
      if #gone > 0 then call('HDEL', telemetry, unpack(gone)) end
    end
    end_minute = nil
  end
end

-- Something happened `n` times: every counter of the books changes here. One that is no number begins again.
local function count(what, n)
  if n == 0 then return end
  if end_minute then end_minute() end
  local counted = redis.pcall('HINCRBY', stats, what, n)
  if type(counted) == 'table' then call('HSET', stats, what, n) end
end
