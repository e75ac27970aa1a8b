#!lua flags=allow-oom
-- What an operation has requeued and nobody has begun since is dead again, as it was: of the same fault, since the same
-- time, with the same counters. Its history keeps that it was requeued, and that it was recalled.
-- KEYS control HASH, session STRING, tasks HASH, leases ZSET, ready LIST, removed SET, prioritized ZSET, scheduled ZSET,
-- retrying ZSET, held ZSET, dead ZSET, dead_by_fault ZSET, trash ZSET, faults HASH, faults_seen ZSET, history HASH, outcomes
-- HASH, stats HASH; at the change of a minute: telemetry HASH, then the chunk's operation HASH,
-- `operations` ZSET and `outcomes` HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] JSON object for the histories, not empty
-- ARGV[5] the runner's token
-- Returns: now ms, how it goes on, when in ms or '', tasks done.
-- include begin session figures count envelope elements ready places history retries faults position operation ended
if replayed then return replayed end
-- check keys
local refusal = open_chunk('recall')
if refusal then return refusal end

-- The operation that requeued a task last is the last word of its history's first line, with a `!` once it has failed
-- again. Whatever else happened to it since is an entry behind that of the requeue, whose end says how it was.
local histories, requeued = {}, {}
local function has_not_begun(id)
  local text = call('HGET', history, id)
  if not text or match(text, '^[^\n]* (%w+)\n') ~= op.undoes then return false end
  histories[id], requeued[id] = text, match(text, '^.*\n%d+ requeued ([^\n]*)\n$')
  return requeued[id] ~= nil
end

-- A fault without letters may have made room for another one.
local adopted = {}
local function fault_of(fingerprint, envelope)
  if not adopted[fingerprint] then
    local is_there = fingerprint == '-' or call('HEXISTS', faults, fingerprint) == 1
    adopted[fingerprint] = is_there and fingerprint
      or adopt_fault(fingerprint, name_of(envelope), '', '', '', '', '')
  end
  return adopted[fingerprint]
end

local ids = take({ready = ready, removed = removed, prioritized = prioritized, held = held}, nil, has_not_begun)
local envelopes = #ids > 0 and call('HMGET', tasks, unpack(ids)) or {}
local places = #ids > 0 and places_of(ids, envelopes) or {}
local leaving, left, recalled, seen = {ready = {}, prioritized = {}, held = {}}, {}, {}, {}
local deaths, letters, texts = {}, {}, {}
for i, id in ipairs(ids) do
  local place, _, member = unpack(places[i])
  local died, attempts, crashes = match(requeued[id], '"died":(%d+),"attempts":(%d+),"crashes":(%d+)}$')
  if not envelopes[i] or not leaving[place] or seen[id] or not died then
    left[#left + 1] = id
    left[#left + 1] = died and 'gone' or 'how it was is not known'
  else
    if #recalled == 0 then begin_writing() end
    seen[id] = true
    local counters, lines = parse_history(histories[id])
    counters.fault = fault_of(counters.fault, envelopes[i])
    counters.attempts, counters.crashes = tonumber(attempts), tonumber(crashes)
    counters.before = math.max(0, counters.before - counters.attempts)
    counters.operation =
      match(requeued[id], ',"previous":"(%w+!?)","died":%d+,"attempts":%d+,"crashes":%d+}$') or ''
    local n = 2 * #recalled
    deaths[n + 1], deaths[n + 2] = died, id
    letters[n + 1], letters[n + 2] = 0, letter_of(counters.fault, died, id)
    texts[n + 1], texts[n + 2] = id, history_with(counters, lines, 'recalled', ARGV[4])
    leaving[place][#leaving[place] + 1] = member
    recalled[#recalled + 1] = id
  end
end

if #recalled > 0 then
  call('ZADD', dead, unpack(deaths))
  call('ZADD', dead_by_fault, unpack(letters))
  call('HSET', history, unpack(texts))
  if #leaving.ready > 0 then call('SADD', removed, unpack(leaving.ready)) end
  if #leaving.prioritized > 0 then call('ZREM', prioritized, unpack(leaving.prioritized)) end
  if #leaving.held > 0 then call('ZREM', held, unpack(leaving.held)) end
  local field = op.undoes .. ':recalled'
  local counted = call('HGET', outcomes, field)
  if counted then call('HSET', outcomes, field, fmt('%.0f', (tonumber(counted) or 0) + #recalled)) end
  count('recalled', #recalled)
  for _, id in ipairs(recalled) do tell_end(id) end
end
return answer(close_chunk(left))
