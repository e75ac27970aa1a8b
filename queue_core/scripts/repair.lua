#!lua flags=allow-oom
-- Puts one id of a damaged queue in order: what stands nowhere is ready again, what stands twice keeps one place, what is
-- no task leaves. Looks again first, and changes nothing where all is well by now. For `fsck`: the id is looked for
-- along the whole of `ready`, `held` and `dead_by_fault`.
-- KEYS control HASH, session STRING, tasks HASH, ready LIST, removed SET, prioritized ZSET, scheduled ZSET, retrying
-- ZSET, leases ZSET, running HASH, held ZSET, blocked ZSET, dead ZSET, dead_by_fault ZSET, trash ZSET, trashed HASH,
-- cancelling HASH, expiring ZSET, history HASH, faults HASH, notify LIST
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] id   ARGV[5] '1': repair, '': only look
-- Returns what was done, or is to be done, in words; '' where nothing is wrong.
-- include begin session envelope ready history retries known wake
if replayed then return replayed end
-- check keys

local id, is_repairing = ARGV[4], ARGV[5] == '1'
local envelope = call('HGET', tasks, id)
local counters = read_history(id)
local elements = {}
for _, element in ipairs(call('LRANGE', ready, 0, -1)) do
  if split_element(element) == id then elements[#elements + 1] = element end
end
local is_struck_out = call('SISMEMBER', removed, id) == 1

-- Every place where the id stands, the one to keep first: what runs, what is kept for a person, what waits.
local places = {}
local function stands(place, key, member)
  local score = call('ZSCORE', key, member)
  if score then places[#places + 1] = {place, key, member, score} end
end
stands('running', leases, id)
stands('dead', dead, id)
stands('trashed', trash, id)
stands('retrying', retrying, id)
stands('scheduled', scheduled, id)
stands('blocked', blocked, id)
-- Without its envelope, or under another name, nobody knows its lane.
for _, member in ipairs(call('ZCARD', held) > 0 and call('ZRANGE', held, 0, -1) or {}) do
  if match(member, '[^/]*$') == id then stands('held', held, member) end
end
stands('prioritized', prioritized, id)
local is_in_list = #elements > 0 and not is_struck_out

local done = {}
local function did(words) done[#done + 1] = words end
local function write(...)
  if is_repairing then call(...) end
end
local function give_out()
  if not is_repairing then return end
  make_ready(id, priority_of(envelope), own_time(id, now))
  wake(1)
end
if is_repairing then begin_writing() end

-- An element too many goes; a tombstone without an element goes.
for i = 2, #elements do
  write('LREM', ready, -1, elements[i])
  did('stood in the list more than once')
end
if is_struck_out and #elements == 0 then
  write('SREM', removed, id)
  did('was struck out and is not in the list')
end

local keep = envelope and (places[1] or is_in_list and {'ready'})
for i, place in ipairs(places) do
  if place ~= keep then
    write('ZREM', place[2], place[3])
    if is_repairing and place[1] == 'retrying' then count_in_fault(counters.fault, 'retrying', -1) end
    if is_repairing and place[1] == 'trashed' and find(call('HGET', trashed, id) or '', '"from":"[dr]e') then
      count_in_fault(counters.fault, 'trashed', -1) -- it came from `dead` or `retrying`
    end
    did((envelope and 'stood in ' or 'was no task and stood in ') .. place[1])
  end
end
if is_in_list and (not keep or keep[1] ~= 'ready') then
  write('LREM', ready, 0, elements[1])
  did((envelope and 'stood in ' or 'was no task and stood in ') .. 'ready')
end

if envelope and not keep then
  give_out()
  did('stood nowhere: ready again')
end

local runs, has_claim = keep and keep[1] == 'running', call('HEXISTS', running, id) == 1
if runs and not has_claim then
  give_out()
  write('ZREM', leases, id)
  did('was leased to nobody: ready again')
elseif has_claim and not runs and byte(id) ~= 58 then
  write('HDEL', running, id)
  did('was claimed without a lease')
end

if call('HEXISTS', cancelling, id) == 1 and not (runs and has_claim) then
  write('HDEL', cancelling, id)
  did('was asked to stop and does not run')
end

if call('ZSCORE', expiring, id) and (not envelope or (keep and keep[1] == 'dead')) then
  write('ZREM', expiring, id)
  did('was to expire, and has ended or is dead')
end

local is_trashed, has_origin = keep and keep[1] == 'trashed', call('HEXISTS', trashed, id) == 1
if is_trashed and not has_origin then
  write('HSET', trashed, id, cjson.encode({from = 'ready', score = '0', member = id, by = 'fsck', reason = '', at = now}))
  did('was in the trash without its origin')
elseif has_origin and not is_trashed then
  write('HDEL', trashed, id)
  did('had an origin and was not in the trash')
end

local letter = keep and keep[1] == 'dead' and letter_of(counters.fault, keep[4], id)
for _, member in ipairs(call('ZRANGE', dead_by_fault, 0, -1)) do
  if member ~= letter and match(member, '[^:]*$') == id then
    write('ZREM', dead_by_fault, member)
    did('was a letter of a fault and is not dead')
  end
end
if letter and not call('ZSCORE', dead_by_fault, letter) then
  write('ZADD', dead_by_fault, 0, letter)
  did('was a letter without its fault')
end
if not envelope and (call('HEXISTS', history, id) == 1 or call('HEXISTS', history, ':' .. id) == 1) then
  write('HDEL', history, id, ':' .. id)
  did('had a history and was no task')
end
return answer(table.concat(done, '; '))
