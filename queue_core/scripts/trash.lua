#!lua flags=allow-oom
-- Tasks that do not run are put out of the way, with what is needed to put them back, until a stated time.
-- KEYS control HASH, session STRING, tasks HASH, leases ZSET, removed SET, prioritized ZSET, scheduled ZSET, retrying
-- ZSET, held ZSET, dead ZSET, dead_by_fault ZSET, history HASH, faults HASH, trash ZSET, trashed HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] how long it is kept, ms   ARGV[5] by whom
-- ARGV[6] why   ARGV[7] '', or: only dead letters that died by then, ms   then the ids
-- Returns: now ms, deleted for good at ms, then id, why: of those that were left alone (`running`, `in the trash`, `gone`,
-- `changed`: no letter of that time).
-- include begin session envelope places history retries origin trash
if replayed then return replayed end
-- check keys

local until_ms, died_by = now + ARGV[4], tonumber(ARGV[7])
local reply, moved = {fmt('%.0f', now), fmt('%.0f', until_ms)}, 0
for i = 8, #ARGV do
  local id = ARGV[i]
  local envelope = call('HGET', tasks, id)
  local place, score, member
  if envelope then place, score, member = place_of(id, envelope) end
  local refusal = not envelope and 'gone' or place == 'running' and place or place == 'trashed' and 'in the trash'
    or died_by and not (place == 'dead' and tonumber(score) <= died_by) and 'changed'
  if refusal then
    reply[#reply + 1] = id
    reply[#reply + 1] = refusal
  else
    if moved == 0 then begin_writing() end
    moved = moved + 1
    put_in_trash(id, place, score, member, until_ms, {by = ARGV[5], reason = ARGV[6]})
  end
end
return answer(reply)
