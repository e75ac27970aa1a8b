#!lua flags=allow-oom
-- Puts ids of a damaged queue in order: what stands nowhere is ready again, what stands twice keeps one place, what is
-- no task leaves. Looks again first, and changes nothing where all is well by now. For `fsck`: of a long list only that
-- part is looked at in which these may be.
-- KEYS control HASH, session STRING, tasks HASH, ready LIST, removed SET, prioritized ZSET, scheduled ZSET, retrying
-- ZSET, leases ZSET, running HASH, held ZSET, blocked ZSET, dead ZSET, dead_by_fault ZSET, trash ZSET, trashed HASH,
-- cancelling HASH, expiring ZSET, history HASH, faults HASH, notify LIST
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] '1': repair, '': only look
-- ARGV[5] the element that was the list's last when it was walked, or ''   then three for each id, and three more for
-- each place where it was met: id, '' or Q (ready) or h (held) or f (dead_by_fault), '' or how many elements before
-- that last one, or the member
-- Returns id, what was done, or is to be done, in words, for each with which something is wrong.
-- include begin session envelope elements ready history retries known wake
if replayed then return replayed end
-- check keys
local STEP, NEAR = 1000, 4
local WHOLE = 20000 -- a list that is no longer is looked at as a whole
local RECENT = 10000 -- what may have come to an end of it since it was walked
local GONE = ':fsck.gone0000000' -- an element of an id that none can be

local is_repairing = ARGV[4] == '1'
local ids, elements, met_in = {}, {}, {Q = {}, h = {}, f = {}}
for i = 6, #ARGV, 3 do
  local id, place, member = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if place == '' then
    ids[#ids + 1], elements[id], met_in.Q[id], met_in.h[id], met_in.f[id] = id, {}, {}, {}, {}
  else
    table.insert(met_in[place][id], member)
  end
end

-- Where an id stands but for the list: the place to keep first: what runs, what is kept for a person, what waits.
local function look(id)
  local envelope = call('HGET', tasks, id)
  local it = {id = id, is_task = envelope and true, counters = read_history(id), places = {}, letters = {}}
  it.is_struck_out = call('SISMEMBER', removed, id) == 1
  local function stands(place, key, member)
    local score = call('ZSCORE', key, member)
    if score then it.places[#it.places + 1] = {place, key, member, score} end
    return score
  end
  stands('running', leases, id)
  local died = stands('dead', dead, id)
  stands('trashed', trash, id)
  stands('retrying', retrying, id)
  stands('scheduled', scheduled, id)
  stands('blocked', blocked, id)
  local name = name_of(envelope or '')
  local lanes = {'name:' .. name .. '/' .. id, 'unknown:' .. name .. '/' .. id}
  for _, member in ipairs(lanes) do stands('held', held, member) end
  stands('prioritized', prioritized, id)
  -- Without its envelope, or under another name, nobody knows its lane but who met it there: no place to keep it in
  -- where there is another.
  it.known_places = #it.places
  for _, member in ipairs(met_in.h[id]) do
    if member ~= lanes[1] and member ~= lanes[2] then stands('held', held, member) end
  end
  local seen = {}
  for _, member in ipairs({died and letter_of(it.counters.fault, died, id), unpack(met_in.f[id])}) do
    if member and not seen[member] and call('ZSCORE', dead_by_fault, member) then
      it.letters[#it.letters + 1] = member
    end
    seen[member] = true
  end
  it.needs_list = #met_in.Q[id] > 0 or it.is_struck_out or it.is_task and #it.places == 0
  return it
end

local suspects, needs_list = {}, false
for i, id in ipairs(ids) do
  suspects[i] = look(id)
  needs_list = needs_list or suspects[i].needs_list
end

-- Where they are in the list: id → indices.
local function walk(first, last)
  for from = math.max(first, 0), last, STEP do
    for i, element in ipairs(call('LRANGE', ready, from, math.min(from + STEP - 1, last))) do
      local indices = elements[(split_element(element))]
      if indices then indices[from + i - 1] = true end
    end
  end
end
local length = call('LLEN', ready)
local is_whole = length <= WHOLE
if needs_list and is_whole then
  walk(0, length - 1)
elseif needs_list then
  local last = call('LPOS', ready, ARGV[5], 'RANK', -1) or length - 1
  for _, id in ipairs(ids) do
    for _, before in ipairs(met_in.Q[id]) do walk(last - before - NEAR, math.min(last - before + NEAR, length - 1)) end
  end
  walk(0, RECENT - 1)
  walk(math.max(last + 1, length - RECENT), length - 1)
end
for id, indices in pairs(elements) do
  local sorted = {}
  for index in pairs(indices) do sorted[#sorted + 1] = index end
  table.sort(sorted)
  elements[id] = sorted
end

local marked = 0
-- It leaves the list at the end, with all others: the places of those behind it stay as they were.
local function drop_element(index)
  if not is_repairing then return end
  call('LSET', ready, index, GONE)
  marked = marked + 1
end
local function write(...)
  if is_repairing then call(...) end
end

-- What is done with an id, in words.
local function mend(it)
  local id, is_task, counters, places, is_struck_out = it.id, it.is_task, it.counters, it.places, it.is_struck_out
  local found = elements[id]
  if #met_in.Q[id] > 0 and not is_whole and #found == 0 then return '' end -- it was there, and may be elsewhere in it
  local is_in_list = #found > 0 and not is_struck_out
  local done = {}
  local function did(words) done[#done + 1] = words end
  local function give_out()
    if not is_repairing then return end
    make_ready(id, priority_of(call('HGET', tasks, id)), own_time(id, now))
    wake(1)
  end

  -- An element too many goes; a tombstone without an element goes.
  for i = 2, #found do
    drop_element(found[i])
    did('stood in the list more than once')
  end
  if is_struck_out and #found == 0 then
    write('SREM', removed, id)
    did('was struck out and is not in the list')
  end

  local keep = is_task and (it.known_places > 0 and places[1] or is_in_list and {'ready'} or places[1])
  for _, place in ipairs(places) do
    if place ~= keep then
      write('ZREM', place[2], place[3])
      if is_repairing and place[1] == 'retrying' then count_in_fault(counters.fault, 'retrying', -1) end
      if is_repairing and place[1] == 'trashed' and find(call('HGET', trashed, id) or '', '"from":"[dr]e') then
        count_in_fault(counters.fault, 'trashed', -1) -- it came from `dead` or `retrying`
      end
      did((is_task and 'stood in ' or 'was no task and stood in ') .. place[1])
    end
  end
  if is_in_list and (not keep or keep[1] ~= 'ready') then
    drop_element(found[1])
    did((is_task and 'stood in ' or 'was no task and stood in ') .. 'ready')
  end

  if is_task and not keep then
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

  if call('ZSCORE', expiring, id) and (not is_task or (keep and keep[1] == 'dead')) then
    write('ZREM', expiring, id)
    did('was to expire, and has ended or is dead')
  end

  local is_trashed, has_origin = keep and keep[1] == 'trashed', call('HEXISTS', trashed, id) == 1
  if is_trashed and not has_origin then
    local origin = {from = 'ready', score = '0', member = id, by = 'fsck', reason = '', at = now}
    write('HSET', trashed, id, cjson.encode(origin))
    did('was in the trash without its origin')
  elseif has_origin and not is_trashed then
    write('HDEL', trashed, id)
    did('had an origin and was not in the trash')
  end

  local letter = keep and keep[1] == 'dead' and letter_of(counters.fault, keep[4], id)
  for _, member in ipairs(it.letters) do
    if member ~= letter then
      write('ZREM', dead_by_fault, member)
      did('was a letter of a fault and is not dead')
    end
  end
  if letter and not call('ZSCORE', dead_by_fault, letter) then
    write('ZADD', dead_by_fault, 0, letter)
    did('was a letter without its fault')
  end
  if not is_task and (call('HEXISTS', history, id) == 1 or call('HEXISTS', history, ':' .. id) == 1) then
    write('HDEL', history, id, ':' .. id)
    did('had a history and was no task')
  end
  return table.concat(done, '; ')
end

if is_repairing then begin_writing() end
local told = {}
for _, it in ipairs(suspects) do
  local words = mend(it)
  if words ~= '' then told[#told + 1], told[#told + 2] = it.id, words end
end
if marked > 0 then call('LREM', ready, marked, GONE) end
return answer(told)
