#!lua flags=allow-oom
-- Tasks that another queue has put aside enter this one as they were, each once: a mark under its ticket (`id:token`) says
-- that it came, whatever became of it since. One without an envelope is not to come any more: a mark says that, too.
-- KEYS control HASH, session STRING, tasks HASH, ready LIST, removed SET, prioritized ZSET, scheduled ZSET, retrying ZSET,
-- leases ZSET, held ZSET, dead ZSET, dead_by_fault ZSET, trash ZSET, unique HASH, unique_expiring ZSET, expiring ZSET,
-- history HASH, faults HASH, faults_seen ZSET, stats HASH, imported ZSET, notify LIST; at the change of a minute: telemetry HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] good until, ms: none enters later
-- ARGV[5] JSON object for the histories, not empty   ARGV[6] number of faults   then six for each fault: fingerprint,
-- JSON object, versions, frames, traceback, last seen in ms; then seven for each task: ticket, envelope or '', place,
-- time there in ms, history, traceback, time to begin in ms or ''
-- Returns: now ms, then ticket, why: of those that did not enter (`too late`: they may later; for good: `called back`,
-- `in that queue already, <state>`, `its unique key is held by <id>`).
-- include begin session figures count envelope elements ready places history retries faults unique retake wake
if replayed then return replayed end
-- check keys

local FAULT_FIELDS, FIELDS = 6, 7
local first_task = 7 + tonumber(ARGV[6]) * FAULT_FIELDS
local about_fault, adopted = {}, {}
for i = 7, first_task - 1, FAULT_FIELDS do about_fault[ARGV[i]] = i end

-- The fault that a task of the other queue counts in here.
local function fault_of(fingerprint, envelope)
  if fingerprint ~= '-' and not adopted[fingerprint] then
    local at = about_fault[fingerprint]
    adopted[fingerprint] = at
      and adopt_fault(fingerprint, name_of(envelope), ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5])
      or adopt_fault(fingerprint, name_of(envelope), '', '', '', '', '')
  end
  return adopted[fingerprint] or fingerprint
end

local reply, entering, refused, seen, taking = {fmt('%.0f', now)}, {}, {}, {}, {}
for i = first_task, #ARGV, FIELDS do
  local ticket, envelope = ARGV[i], ARGV[i + 1]
  local id = match(ticket, '^[^:]*')
  local has_come = call('ZSCORE', imported, ticket) or seen[id]
  local why
  if not has_come then
    local is_refused = call('ZSCORE', imported, ticket .. ':refused')
    if is_refused or envelope == '' then
      why = 'called back'
    elseif call('HEXISTS', tasks, id) == 1 then
      local state = place_of(id, call('HGET', tasks, id))
      why = 'in that queue already, ' .. (state == 'prioritized' and 'ready' or state)
    elseif now > tonumber(ARGV[4]) then
      why = 'too late'
    elseif ARGV[i + 2] ~= 'dead' then -- a dead letter holds no key
      local wanted = key_of(envelope)
      why = wanted and taking[wanted] and 'its unique key is held by ' .. taking[wanted] or key_refusal(id, envelope)
      if wanted and not why then taking[wanted] = id end
    end
    if not why then
      seen[id] = true
      entering[#entering + 1] = {id, i}
    else
      reply[#reply + 1] = ticket
      reply[#reply + 1] = why
      if not is_refused and why ~= 'too late' then refused[#refused + 1] = ticket .. ':refused' end
    end
  end
end

if #entering + #refused > 0 then begin_writing() end
local waiting, to_wake = {}, 0
for order, task in ipairs(entering) do
  local id, i = task[1], task[2]
  local envelope, place, at = ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]) or now
  local counters, lines = parse_history(ARGV[i + 4])
  if place ~= 'dead' then retake_key(id, envelope) end
  if ARGV[i + 6] ~= '' then call('ZADD', expiring, ARGV[i + 6], id) end
  if place == 'retrying' or place == 'dead' then counters.fault = fault_of(counters.fault, envelope) end
  if place == 'scheduled' then
    call('ZADD', scheduled, fmt('%.0f', at), id)
    to_wake = to_wake + 1
  elseif place == 'retrying' then
    call('ZADD', retrying, fmt('%.0f', at), id)
    count_in_fault(counters.fault, 'retrying', 1)
    to_wake = to_wake + 1
  elseif place == 'dead' then
    bury(id, counters.fault, at)
  else
    waiting[#waiting + 1] = {id, priority_of(envelope), at, order}
  end
  write_history(id, counters, lines, 'moved', ARGV[5])
  if ARGV[i + 5] ~= '' then call('HSET', history, ':' .. id, ARGV[i + 5]) end
end

-- Those that have waited longer than the head of the list go before it, the others to the end.
table.sort(waiting, function(a, b) return a[3] < b[3] or (a[3] == b[3] and a[4] < b[4]) end)
local head = call('LRANGE', ready, 0, 0)[1]
local head_ms = head and ready_ms(split_element(head)) or 0
for i = #waiting, 1, -1 do
  local id, priority, at = unpack(waiting[i])
  if at < head_ms then make_ready(id, priority, own_time(id, at), true) end
end
for _, task in ipairs(waiting) do
  local id, priority, at = unpack(task)
  if at >= head_ms then make_ready(id, priority, own_time(id, at)) end
end
-- The envelopes last: an id that has one and stands nowhere would be refused when it comes again.
for _, task in ipairs(entering) do call('HSET', tasks, task[1], ARGV[task[2] + 1]) end
count('imported', #entering)

for _, task in ipairs(entering) do call('ZADD', imported, '+inf', ARGV[task[2]]) end
for _, mark in ipairs(refused) do call('ZADD', imported, '+inf', mark) end
if #entering + #refused > 0 then call('PERSIST', imported) end
wake(#waiting + to_wake)
return answer(reply)
