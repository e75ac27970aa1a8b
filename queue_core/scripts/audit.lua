#!lua flags=allow-oom
-- What an operator is about to do stands in the audit stream, once, however often its form is sent.
-- KEYS none of a queue, then the audit STREAM and the form's STRING
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] entries to keep, about   ARGV[4] how long the form is remembered, ms
-- then two for each fact: name, value
-- Returns the entry's id.
local call, fmt = redis.call, string.format
local audit = KEYS[1]
local form = KEYS[2]

local written = call('GET', form)
if written then return written end
local now = ARGV[2]
if now == '' then
  local time = call('TIME')
  now = fmt('%.0f', math.floor((time[1] * 1000000 + time[2]) / 1000))
end
local facts = {'format', ARGV[1], 'at', now}
for i = 5, #ARGV do facts[i] = ARGV[i] end
written = call('XADD', audit, 'MAXLEN', '~', ARGV[3], '*', unpack(facts))
call('SET', form, written, 'PX', ARGV[4])
return written
