#!lua flags=no-writes,allow-oom
-- Reads what was counted in the last minutes and hours, and of each task name in the last hours.
-- KEYS control HASH, stats HASH, telemetry HASH, names HASH, attempts HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] how many minutes, to this one   ARGV[4] how many hours, to this one
-- ARGV[5] how many of those by task name   then the fields of the books
-- Returns: now ms; the noted minute and hour, as they stand there, or ''; since when it is counted, ms or ''; list of the
-- books' fields or ''; the books when the noted minute began, packed, or ''; list of what stands in the running hour of
-- names, field, value …; then lists of number, figures …: of minutes, of hours, of hours by task name; list of task name,
-- its newest attempts (lib/attempts.lua) …
-- include begin known
-- check keys

local function found(prefix, last, count)
  local fields, list = {}, {}
  for number = last - count + 1, last do fields[#fields + 1] = fmt('%s%.0f', prefix, number) end
  for i, packed in ipairs(#fields > 0 and call('HMGET', telemetry, unpack(fields)) or {}) do
    if packed then
      list[#list + 1] = sub(fields[i], 2)
      list[#list + 1] = packed
    end
  end
  return list
end

local books = call('HMGET', stats, unpack(ARGV, 6))
for i = 1, #ARGV - 5 do books[i] = books[i] or '' end
local minute, by_name = floor(now / 60000), tonumber(ARGV[5])
local noted = call('HMGET', telemetry, 'since', 'last')
return {
  fmt('%.0f', now), known.minute or '', known.hour or '', noted[1] or '', books, noted[2] or '',
  by_name > 0 and call('HGETALL', names) or {},
  found('m', minute, tonumber(ARGV[3])), found('h', floor(minute / 60), tonumber(ARGV[4])),
  found('n', floor(minute / 60), by_name), by_name > 0 and call('HGETALL', attempts) or {},
}
