#!lua flags=allow-oom
-- A fault is no problem until a time, or until it has failed so many times more. It counts on all the same.
-- KEYS control HASH, session STRING, faults HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] fingerprint   ARGV[5] until when, ms or ''
-- ARGV[6] how many more failed attempts, or ''   ARGV[7] by whom   ARGV[8] why
-- Returns: now ms, then fingerprint, why where nothing was done (`no such fault`, `that time is over`).
-- include begin session
if replayed then return replayed end
-- check keys

local fault, until_ms, more = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
if call('HEXISTS', faults, fault) == 0 then return answer({fmt('%.0f', now), fault, 'no such fault'}) end
if until_ms and until_ms <= now then return answer({fmt('%.0f', now), fault, 'that time is over'}) end
begin_writing()
local attempts = more and (tonumber(call('HGET', faults, fault .. ':attempts')) or 0) + more
call('HSET', faults, fault .. ':mute',
  cjson.encode({by = ARGV[7], reason = ARGV[8], at = now, ['until'] = until_ms, attempts = attempts}))
return answer({fmt('%.0f', now)})
