#!lua flags=allow-oom
-- Tasks that do not run are put aside for another queue: they are in the trash, under a token by which alone they are
-- restored or leave for good. What was put aside for the same queue before is told once more, under its first token.
-- KEYS control HASH, session STRING, tasks HASH, leases ZSET, ready LIST, removed SET, prioritized ZSET, scheduled ZSET,
-- retrying ZSET, held ZSET, dead ZSET, dead_by_fault ZSET, history HASH, faults HASH, faults_seen ZSET, trash ZSET,
-- trashed HASH, expiring ZSET
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] how long it is kept, ms   ARGV[5] by whom
-- ARGV[6] why   ARGV[7] name of the other queue   ARGV[8] token   ARGV[9] bytes to stop at   ARGV[10] how many elements
-- at each end of `ready` are searched for ready times   then the ids
-- Returns: now ms; list id, why: of those that were left alone (`running`, `in the trash`, `being moved to <queue>`,
-- `gone`); list of ids for another call, which would be too many bytes for this one; list of six for each fault of
-- theirs: fingerprint, JSON object, versions, frames, traceback, last seen in ms; then for each task: ticket (`id:token`),
-- envelope ('' when it is no longer put aside under that token), place, time there in ms, history, traceback, time
-- to begin in ms or ''. Places:
-- ready (since), scheduled (due), retrying (due), dead (died).
-- include begin session envelope ready places history retries origin trash
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

-- What the other queue needs to know of a task in the trash: nothing when it is not there under this token.
local function describe(id, token)
  local origin = call('ZSCORE', trash, id) and origin_of(id)
  local envelope = origin and token_of(origin) == token and call('HGET', tasks, id)
  if not envelope then return '', '', '', '', '', '' end
  local place, at = origin.from, tonumber(origin.score) or 0
  if place == 'prioritized' then
    at = at % PRIORITY_STEP + EPOCH_MS
  elseif place == 'held' or (place == 'ready' and at <= EPOCH_MS) then
    at = id_ms(id) or now
  end
  if place == 'prioritized' or place == 'held' then place = 'ready' end
  local expires = place ~= 'dead' and call('ZSCORE', expiring, id)
  return envelope, place, fmt('%.0f', at), call('HGET', history, id) or '', call('HGET', history, ':' .. id) or '',
    expires == 'inf' and fmt('%.0f', now) or expires or ''
end

local function report(refused, later, tickets)
  local told, seen = {}, {}
  local reply = {fmt('%.0f', now), refused, later, told}
  for _, ticket in ipairs(tickets) do
    local id, token = split_ticket(ticket)
    reply[#reply + 1] = ticket
    local parts = {describe(id, token)}
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

if replayed then return report(unpack(replayed)) end
-- check keys

local until_ms, to, max_bytes = now + ARGV[4], ARGV[7], tonumber(ARGV[9])
local refused, later, tickets, bytes, is_first, seen = {}, {}, {}, 0, true, {}
for i = 11, #ARGV do
  local id = ARGV[i]
  local envelope = call('HGET', tasks, id)
  local place, score, member, token
  if envelope then place, score, member = place_of(id, envelope) end
  local refusal = not envelope and 'gone' or place == 'running' and place
  if place == 'trashed' then
    local origin = origin_of(id)
    token = token_of(origin)
    refusal = token == '' and 'in the trash' or origin.to ~= to and moving_of(origin)
  end
  if refusal then
    refused[#refused + 1] = id
    refused[#refused + 1] = refusal
  elseif not seen[id] then
    seen[id] = true
    local size = #envelope + call('HSTRLEN', history, id) + call('HSTRLEN', history, ':' .. id) + TASK_BYTES
    if #tickets > 0 and bytes + size > max_bytes then
      later[#later + 1] = id
    else
      bytes = bytes + size
      tickets[#tickets + 1] = id .. ':' .. (token or ARGV[8])
      if not token then
        if is_first then begin_writing() end
        is_first = false
        if place == 'ready' then score = fmt('%.0f', ready_since(id)) end
        put_in_trash(id, place, score, member, until_ms, {by = ARGV[5], reason = ARGV[6], to = to, token = ARGV[8]})
      end
    end
  end
end
answer({refused, later, tickets})
return report(refused, later, tickets)
