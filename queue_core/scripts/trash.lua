#!lua flags=allow-oom
-- Tasks that do not run are put out of the way, with what is needed to put them back, until a stated time.
-- KEYS control HASH, session STRING, tasks HASH, leases ZSET, ready LIST, removed SET, prioritized ZSET, scheduled
-- ZSET, retrying ZSET, held ZSET, dead ZSET, dead_by_fault ZSET, history HASH, faults HASH, trash ZSET, trashed
-- HASH, then for a chunk its operation HASH, `operations` ZSET and `outcomes` HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] how long it is kept, ms   ARGV[5] by whom
-- ARGV[6] why   ARGV[7] '', or: only dead letters that died by then, ms   ARGV[8] by which act, an operation's id or a
-- form, or ''   then the ids, each as it was seen (lib/seen.lua); or for a chunk the runner's token
-- Returns: now ms, deleted for good at ms, then id, why: of those that were left alone (`running`, `in the trash`, `gone`,
-- `<state> now`, `changed`: no letter of that time); of a chunk: now ms, how it goes on, when in ms or '', tasks done.
-- include begin session envelope elements ready places history retries origin trash position seen operation
if replayed then return replayed end
-- check keys

local until_ms, died_by = now + ARGV[4], tonumber(ARGV[7])
local ids, seen_of = {}, {}
if operation then
  local refusal = open_chunk('trash')
  if refusal then return refusal end
  ids = take({ready = ready, removed = removed, prioritized = prioritized, scheduled = scheduled, retrying = retrying,
    held = held, dead = dead, dead_by_fault = dead_by_fault})
else
  for i = 9, #ARGV do
    local id, state, at = split_seen(ARGV[i])
    ids[#ids + 1], seen_of[id] = id, {state, at}
  end
end
local act = ARGV[8] ~= '' and ARGV[8] or nil
local left, moved = {}, 0
for _, id in ipairs(ids) do
  local is_there = call('HEXISTS', tasks, id) == 1 -- an envelope may be 1 MiB
  local place, score, member
  if is_there then place, score, member = place_of(id) end
  local refusal = not is_there and 'gone' or place == 'running' and place or place == 'trashed' and 'in the trash'
    or died_by and not (place == 'dead' and tonumber(score) <= died_by) and 'changed'
    or seen_of[id] and unlike_seen(seen_of[id][1], seen_of[id][2], place, score)
  if refusal then
    left[#left + 1] = id
    left[#left + 1] = refusal
  else
    if moved == 0 then begin_writing() end
    moved = moved + 1
    put_in_trash(id, place, score, member, until_ms, {by = ARGV[5], reason = ARGV[6], act = act})
  end
end
if operation then return answer(close_chunk(left)) end
return answer({fmt('%.0f', now), fmt('%.0f', until_ms), unpack(left)})
