#!lua flags=allow-oom
-- Tasks end before their time. One that waits is cancelled at once and leaves a record that says by whom and why; one
-- that runs is asked to stop, which its worker hears with its next heartbeat. Dead letters are purged, not cancelled.
-- KEYS control HASH, session STRING, tasks HASH, leases ZSET, ready LIST, removed SET, prioritized ZSET, scheduled ZSET, retrying
-- ZSET, held ZSET, dead ZSET, trash ZSET, cancelling HASH, unique HASH, expiring ZSET, history HASH, outcomes
-- HASH, faults HASH, stats HASH; for the statistics: telemetry HASH, names HASH, then a record HASH for each task, in order,
-- before which a chunk has its operation HASH, `operations` ZSET and `outcomes` HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] how long a record is kept, ms
-- ARGV[5] JSON object for the histories, not empty: by whom, why   then the ids, each as it was seen (lib/seen.lua); of a
-- chunk those that the one before it named, and the runner's token: it ends those that are still the next. Without ids it names the next, and ends none.
-- Returns: now ms, list of the ids that run and were asked to stop, then id, why: of those that were left alone
-- (`dead`, `in the trash`, `gone`, `<state> now`); of a chunk: now ms, how it goes on, when in ms or '', tasks done, then the next ids.
-- include begin session figures count names envelope elements ready places history outcome retries record ended unique expiring position seen operation cancelled
if replayed then return replayed end
-- check keys

-- Of a chunk there are three keys and one argument more than tasks.
local is_chunk = #KEYS - NAMED > #ARGV - 5
local NAMED_AT_MOST = 64 -- half a chunk: a record costs as much as all the rest
local FIRST_ID, BEFORE_RECORDS = 6, is_chunk and NAMED + 3 or NAMED
local ids, record_of, seen_of = {}, {}, {}
for i = BEFORE_RECORDS + 1, #KEYS do
  wrong = check_types('hash', KEYS[i])
  if wrong then return wrong end
  local id, state = split_seen(ARGV[FIRST_ID + i - BEFORE_RECORDS - 1])
  ids[#ids + 1], record_of[id], seen_of[id] = id, KEYS[i], state
end
if is_chunk then
  local refusal = open_chunk('cancel')
  if refusal then return refusal end
  local is_asking = #ids == 0
  ids = take({ready = ready, removed = removed, prioritized = prioritized, scheduled = scheduled, retrying = retrying,
    held = held}, not is_asking and function(id) return record_of[id] end or nil)
  if is_asking and #ids > 0 then
    local next_ids = told('more')
    for i = 1, math.min(#ids, NAMED_AT_MOST) do next_ids[#next_ids + 1] = ids[i] end
    return next_ids
  end
end

local LEFT_ALONE = {dead = 'dead', trashed = 'in the trash'}
local asked, left, has_begun = {}, {}, false
for _, id in ipairs(ids) do
  local envelope = call('HGET', tasks, id)
  local place, score, member
  if envelope then place, score, member = place_of(id, envelope) end
  local refusal = not envelope and 'gone' or LEFT_ALONE[place] or unlike_seen(seen_of[id] or '', '', place)
  if refusal then
    left[#left + 1] = id
    left[#left + 1] = refusal
  else
    if not has_begun then begin_writing() end
    has_begun = true
    if place == 'running' then
      call('HSETNX', cancelling, id, ARGV[5])
      asked[#asked + 1] = id
    else
      if place == 'retrying' then count_in_fault(read_history(id).fault, 'retrying', -1) end
      end_cancelled(record_of[id], id, ARGV[5], '', ARGV[4])
      count_name('cancelled', name_of(envelope), 1)
      leave_place(id, place, member)
    end
  end
end
if is_chunk then return answer(close_chunk(left)) end
return answer({fmt('%.0f', now), asked, unpack(left)})
