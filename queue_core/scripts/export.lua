#!lua flags=allow-oom
-- Tasks that do not run are put aside for another queue: they are in the trash, under a token by which alone they are
-- restored or leave for good. What was put aside for the same queue before is told once more, under its first token.
-- KEYS control HASH, session STRING, tasks HASH, leases ZSET, ready LIST, removed SET, prioritized ZSET, scheduled ZSET,
-- retrying ZSET, held ZSET, dead ZSET, dead_by_fault ZSET, history HASH, faults HASH, faults_seen ZSET, trash ZSET,
-- trashed HASH, expiring ZSET, then for a chunk its operation HASH, `operations` ZSET and `outcomes` HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] how long it is kept, ms   ARGV[5] by whom
-- ARGV[6] why   ARGV[7] name of the other queue   ARGV[8] token; the time is put behind it, so that the same call made long
-- after makes other tickets   ARGV[9] bytes to stop at   ARGV[10] how many elements at each end of `ready` are searched for
-- ready times   then the ids, each as it was seen (lib/seen.lua); or for a chunk the runner's token: it puts the next ones aside, or tells those once more that
-- are on their way
-- Returns: now ms; list id, why: of those that were left alone (`running`, `in the trash`, `being moved to <queue>`,
-- `gone`, `<state> now`, `changed`: it died again); list of ids for another call, which would be too many bytes for this one; list of six for each fault of
-- theirs: fingerprint, JSON object, versions, frames, traceback, last seen in ms; then for each task: ticket (`id:token`),
-- envelope ('' when it is no longer put aside under that token), place, time there in ms, history, traceback, time
-- to begin in ms or ''. Places:
-- ready (since), scheduled (due), retrying (due), dead (died). Of a chunk that puts nothing aside: now ms, how it goes on,
-- when in ms or '', tasks done.
-- include begin session envelope elements ready places history retries origin trash position seen operation
local FAULT_FIELDS, TASK_BYTES = 6, 100

-- When a task of the list became ready: searched for near both ends, read at most once; else by its id; else now.
local digits_of
local function ready_since(id)
  if not digits_of then
    digits_of = {}
    for _, range in ipairs({{0, ARGV[10] - 1}, {-ARGV[10], -1}}) do
      for _, element in ipairs(call('LRANGE', ready, range[1], range[2])) do
        local found, digits = split_element(element)
        digits_of[found] = digits
      end
    end
  end
  return ready_ms(id, digits_of[id] or '')
end

-- What the other queue needs to know of a task that is put aside. `origin`: where it was.
local function describe(id, envelope, origin)
  local place, at = origin.from, tonumber(origin.score) or 0
  if place == 'prioritized' then
    at = at % PRIORITY_STEP + EPOCH_MS
  elseif place == 'held' or (place == 'ready' and at <= EPOCH_MS) then
    at = id_ms(id) or now
  end
  if place == 'prioritized' or place == 'held' then place = 'ready' end
  local expires = place ~= 'dead' and call('ZSCORE', expiring, id)
  local past = call('HMGET', history, id, ':' .. id)
  return envelope, place, fmt('%.0f', at), past[1] or '', past[2] or '', expires == 'inf' and fmt('%.0f', now) or expires or ''
end

-- `found`: id → envelope and origin, of those that were looked at just now.
local function report(refused, later, tickets, found)
  local told, seen = {}, {}
  local reply = {fmt('%.0f', now), refused, later, told}
  for _, ticket in ipairs(tickets) do
    local id, token = split_ticket(ticket)
    reply[#reply + 1] = ticket
    local known = found[id]
    if not known then
      local origin = call('ZSCORE', trash, id) and origin_of(id)
      local envelope = origin and token_of(origin) == token and call('HGET', tasks, id)
      known = envelope and {envelope, origin}
    end
    local parts = known and {describe(id, known[1], known[2])} or {'', '', '', '', '', ''}
    for _, part in ipairs(parts) do reply[#reply + 1] = part end
    local fault = (parts[2] == 'dead' or parts[2] == 'retrying') and read_history(id).fault
    if fault and not seen[fault] and call('HEXISTS', faults, fault) == 1 then
      seen[fault] = true
      local about = call('HMGET', faults, fault, fault .. ':versions', fault .. ':frames', fault .. ':traceback')
      told[#told + 1] = fault
      for i = 1, FAULT_FIELDS - 2 do told[#told + 1] = about[i] or '' end
      told[#told + 1] = call('ZSCORE', faults_seen, fault) or fmt('%.0f', now)
    end
  end
  return reply
end

if replayed and type(replayed[2]) == 'string' then return replayed end
if replayed then return report(replayed[1], replayed[2], replayed[3], {}) end
-- check keys

local max_bytes, bytes, has_past = tonumber(ARGV[9]), 0, call('EXISTS', history) == 1

-- Whether a task goes into this call, too; a large one goes alone.
local function has_room(id)
  local size = call('HSTRLEN', tasks, id) + TASK_BYTES
  if has_past then size = size + call('HSTRLEN', history, id) + call('HSTRLEN', history, ':' .. id) end
  if bytes > 0 and bytes + size > max_bytes then return false end
  bytes = bytes + size
  return true
end

local refused, later, ids, seen = {}, {}, {}, {}
local wanted, seen_of, is_in = {}, {}, has_room
if operation then
  local refusal = open_chunk('move')
  if refusal then return refusal end
  if op.aside ~= '' then
    local tickets = {}
    for ticket in string.gmatch(op.aside, '%S+') do tickets[#tickets + 1] = ticket end
    call('HSET', operation, 'runner', runner, 'heard', fmt('%.0f', now))
    return report(refused, later, tickets, {})
  end
  if op.confirm ~= '' then call('HDEL', operation, 'confirm') end
  if op.state ~= 'running' then
    if op.state == 'cancelled' then
      call('ZADD', index, now, op.id)
      call('PEXPIRE', operation, KEPT_MS)
    end
    return answer(told(op.state))
  end
  wanted = take({ready = ready, removed = removed, prioritized = prioritized, scheduled = scheduled, retrying = retrying,
    held = held, dead = dead, dead_by_fault = dead_by_fault}, has_room)
  is_in = function() return true end
else
  for i = 11, #ARGV do
    local id, state, at = split_seen(ARGV[i])
    wanted[#wanted + 1], seen_of[id] = id, {state, at}
  end
end
for _, id in ipairs(wanted) do
  if not seen[id] then
    seen[id] = true
    if call('HEXISTS', tasks, id) == 0 then
      refused[#refused + 1] = id
      refused[#refused + 1] = 'gone'
    elseif is_in(id) then
      ids[#ids + 1] = id
    else
      later[#later + 1] = id
    end
  end
end

local until_ms, to, tickets, found, is_first = now + ARGV[4], ARGV[7], {}, {}, true
local envelopes = #ids > 0 and call('HMGET', tasks, unpack(ids)) or {}
local places = #ids > 0 and places_of(ids, envelopes) or {}
for i, id in ipairs(ids) do
  local place, score, member = unpack(places[i])
  local origin = place == 'trashed' and origin_of(id)
  local refusal = place == 'running' and place
    or origin and (token_of(origin) == '' and 'in the trash' or origin.to ~= to and moving_of(origin))
    or not origin and seen_of[id] and unlike_seen(seen_of[id][1], seen_of[id][2], place, score)
  if refusal then
    refused[#refused + 1] = id
    refused[#refused + 1] = refusal
  else
    if not origin then
      if is_first then begin_writing() end
      is_first = false
      if place == 'ready' then score = fmt('%.0f', ready_since(id)) end
      origin = {by = ARGV[5], reason = ARGV[6], to = to, token = fmt('%s.%.0f', ARGV[8], now)}
      put_in_trash(id, place, score, member, until_ms, origin)
    end
    tickets[#tickets + 1] = id .. ':' .. origin.token
    found[id] = {envelopes[i], origin}
  end
end
if operation then
  op.aside, op.taken = table.concat(tickets, ' '), #refused / 2
  local progress = close_chunk(refused)
  if #tickets == 0 then return answer(progress) end
  call('HSET', operation, 'aside', op.aside)
end
answer({refused, later, tickets})
return report(refused, later, tickets, found)
