#!lua flags=allow-oom
-- What a worker has measured counts: how long tasks waited and ran, and what became of the attempts of each name.
-- KEYS control HASH, session STRING, stats HASH, names HASH, telemetry HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   then two for each task name: name, its figures
-- (lib/figures.lua), packed
-- Returns how many names were counted.
-- include begin session figures count names
if replayed then return replayed[1] end
-- check keys

local figures, counted = make_figures(), 0
local times = figures.of({})
for i = 4, #ARGV, 2 do
  local measured = figures.unpack(ARGV[i + 1])
  if measured then
    if counted == 0 then
      begin_writing()
      if end_hour then end_hour() end
    end
    counted = counted + 1
    figures.add(times, {{}, measured[2], measured[3]})
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
