#!lua flags=allow-oom
-- What a worker has measured counts: how long tasks waited and ran, and what became of the attempts of each name.
-- KEYS control HASH, session STRING, stats HASH, names HASH, attempts HASH, telemetry HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   then three for each task name: name, its figures
-- (lib/figures.lua), packed, how long ago the last of its attempts that completed did so, ms or ''
-- Returns how many names were counted.
-- include begin session figures count names attempts
if replayed then return replayed[1] end
-- check keys

local figures, counted = make_figures(), 0
local places = figures.PLACES
local times = figures.of({})
for i = 4, #ARGV, 3 do
  local measured = figures.unpack(ARGV[i + 1])
  if measured then
    if counted == 0 then
      begin_writing()
      if end_hour then end_hour() end
    end
    counted = counted + 1
    figures.add(times, {{}, measured[2], measured[3]})
    local of = measured[1]
    count_attempts(ARGV[i], of[places.completed], of[places.failed] + of[places.crashed], ARGV[i + 2])
    local field = ':' .. ARGV[i]
    if call('HLEN', names) >= MAX_FIELDS and call('HEXISTS', names, field) == 0 then field = ':' end
    call('HSET', names, field, figures.pack(figures.add_stored(measured, call('HGET', names, field))))
  end
end
if counted > 0 then
  if end_minute then end_minute() end
  local parts = figures.trimmed(figures.add(times, figures.of_books()))
  call('HSET', stats, 'wait', table.concat(parts[2], ' '), 'run', table.concat(parts[3], ' '))
end
answer({counted})
return counted
