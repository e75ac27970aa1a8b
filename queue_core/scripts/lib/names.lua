-- What was counted of each task name in the running hour stands in `names`; hours that have ended are kept for 7 days in
-- `telemetry`, each with its 20 busiest names, and all others under the name ''.
-- Needs begin.lua and figures.lua, and the names `names` and `telemetry` of the script's keys.
local HOUR_MS, MAX_FIELDS = 3600000, 400

-- As minutes are noted: a clock that goes back a little stays in its hour.
local hour, noted_hour = floor(now / HOUR_MS), whole(known.hour)
local end_hour
if not noted_hour or noted_hour < 0 or hour > noted_hour or hour < noted_hour - 1 then
  local NAME_HOURS_KEPT, BUSIEST = 168, 20
  local wrong = check_types('hash', names, 'hash', telemetry)
  if wrong then return wrong end

  -- The noted hour has ended: of its names a list of name, figures, name, figures … is kept. In `names` stands what
  -- workers measured (`:<task>`), and what scripts counted (`<what>:<task>`).
  function end_hour()
    local figures = make_figures()
    local fields, by_name = call('HGETALL', names), {}
    for i = 1, #fields, 2 do
      local what, name = match(fields[i], '^(%l*):(.*)$')
      if what then
        local of_name = by_name[name] or figures.of({})
        by_name[name] = of_name
        local place = figures.PLACES[what]
        if place then
          of_name[1][place] = of_name[1][place] + (whole(fields[i + 1]) or 0)
        else
          figures.add_stored(of_name, fields[i + 1])
        end
      end
    end

    local other, ranked, kept = by_name[''] or figures.of({}), {}, {}
    by_name[''] = nil
    for name, of_name in pairs(by_name) do
      local busy = 0
      for _, number in ipairs(of_name[1]) do busy = busy + number end
      ranked[#ranked + 1] = {busy, name, of_name}
    end
    table.sort(ranked, function(a, b) return a[1] > b[1] or (a[1] == b[1] and a[2] < b[2]) end)
    for i, entry in ipairs(ranked) do
      if i > BUSIEST then
        figures.add(other, entry[3])
      else
        kept[#kept + 1] = entry[2]
        kept[#kept + 1] = figures.trimmed(entry[3])
      end
    end
    kept[#kept + 1], kept[#kept + 2] = '', figures.trimmed(other)

    if noted_hour and #fields > 0 then
      call('HSET', telemetry, fmt('n%.0f', math.min(noted_hour, hour)), cmsgpack.pack(kept))
    end
    call('DEL', names)
    call('HSET', control, 'hour', fmt('%.0f', hour))
    if noted_hour then
      local gone = {}
      for old = noted_hour - NAME_HOURS_KEPT + 1, math.min(hour - NAME_HOURS_KEPT, noted_hour) do
        gone[#gone + 1] = fmt('n%.0f', old)
      end
      if #gone > 0 then call('HDEL', telemetry, unpack(gone)) end
    end
    end_hour = nil
  end
end

-- Something happened `n` times to tasks of a name. One for which this hour has no room any more counts under ''. Where
-- `names` is damaged, nothing is counted there: that stands in no task's way.
local function count_name(what, name, n)
  if end_hour then end_hour() end
  local field = what .. ':' .. name
  local counted = redis.pcall('HINCRBY', names, field, n)
  if type(counted) == 'table' then
    redis.pcall('HSET', names, field, n)
  elseif counted == n and call('HLEN', names) > MAX_FIELDS then
    call('HDEL', names, field)
    call('HINCRBY', names, what .. ':', n)
  end
end
