#!lua flags=allow-oom
-- Somebody's words stand beside a fault, the newest first; the oldest of ten make room.
-- KEYS control HASH, session STRING, faults HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] fingerprint   ARGV[5] by whom
-- ARGV[6] the words, on one line
-- Returns: now ms, then fingerprint, why where nothing was done (`no such fault`).
-- include begin session
if replayed then return replayed end
-- check keys
local MAX_NOTES = 10

local fault = ARGV[4]
if call('HEXISTS', faults, fault) == 0 then return answer({fmt('%.0f', now), fault, 'no such fault'}) end
begin_writing()
local notes = {cjson.encode({by = ARGV[5], text = ARGV[6], at = now})}
for note in string.gmatch(call('HGET', faults, fault .. ':notes') or '', '[^\n]+') do
  if #notes == MAX_NOTES then break end
  notes[#notes + 1] = note
end
call('HSET', faults, fault .. ':notes', table.concat(notes, '\n'))
return answer({fmt('%.0f', now)})
