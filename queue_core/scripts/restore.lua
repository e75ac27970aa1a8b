#!lua flags=allow-oom
-- Tasks leave the trash for where they were: the same place, the same time, the same order.
-- KEYS control HASH, session STRING, tasks HASH, ready LIST, removed SET, prioritized ZSET, scheduled ZSET, retrying
-- ZSET, held ZSET, closed HASH, dead ZSET, dead_by_fault ZSET, history HASH, faults HASH, trash ZSET, trashed HASH,
-- unique HASH, unique_expiring ZSET, expiring ZSET, notify LIST, then for a chunk its operation HASH, `operations` ZSET and
-- `outcomes` HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   then the ids; of a task on its way to another queue
-- its ticket, `id:token`: whoever gives that has seen to it that the other queue does not take it; or for a chunk the
-- runner's token
-- Returns: now ms, then id or ticket, why: of those that were left alone (`not in the trash`, `being moved to <queue>`,
-- `its unique key is held by <id>`); of a chunk: now ms, how it goes on, when in ms or '', tasks done.
-- include begin session envelope elements ready history retries lanes origin unique retake expiring position operation wake
if replayed then return replayed end
-- check keys

local tickets = {}
if operation then
  local refusal = open_chunk('restore')
  if refusal then return refusal end
  tickets = take({trashed = trash})
else
  for i = 4, #ARGV do tickets[#tickets + 1] = ARGV[i] end
end
local left, restored, to_wake = {}, {}, 0
for _, ticket in ipairs(tickets) do
  local id, token = split_ticket(ticket)
  local envelope = call('ZSCORE', trash, id) and call('HGET', tasks, id)
  local origin = envelope and origin_of(id)
  local refusal
  if not envelope or token_of(origin) ~= token then
    refusal = origin and token == '' and moving_of(origin) or 'not in the trash'
  elseif origin.from ~= 'dead' then -- a dead letter holds no key, here or there
    refusal = key_refusal(id, envelope)
    if refusal and token ~= '' then -- nobody moves it any more: it stays in the trash as any other does
      begin_writing()
      origin.to, origin.token = nil, nil
      call('HSET', trashed, id, cjson.encode(origin))
    end
  end
  if not refusal then
    if #restored == 0 then begin_writing() end
    restored[#restored + 1] = id
    local from, score = origin.from, origin.score
    if from ~= 'dead' then retake_key(id, envelope) end
    if from == 'prioritized' then
      call('ZADD', prioritized, score, id)
      to_wake = to_wake + 1
    elseif from == 'scheduled' then
      call('ZADD', scheduled, score, id)
      to_wake = to_wake + 1
    elseif from == 'retrying' then
      call('ZADD', retrying, score, id)
      local fault = read_history(id).fault
      count_in_fault(fault, 'retrying', 1)
      count_in_fault(fault, 'trashed', -1)
      to_wake = to_wake + 1
    elseif from == 'held' then
      local lane = match(origin.member, '^(.*)/')
      call('ZADD', held, 0, origin.member)
      local lane_state = call('HGET', closed, lane)
      -- The lane has opened meanwhile: it stays on the books, open, until it is empty.
      if not lane_state then
        call('HSET', closed, lane, 'open ' .. cjson.encode({by = '', reason = '', at = now}))
      end
      if not lane_state or sub(lane_state, 1, 5) == 'open ' then to_wake = to_wake + 1 end
    elseif from == 'dead' then
      call('ZADD', dead, score, id)
      local fault = read_history(id).fault
      call('ZADD', dead_by_fault, 0, letter_of(fault, score, id))
      count_in_fault(fault, 'trashed', -1)
    else
      -- Its element still stands in the list, struck out; where it was dropped meanwhile, the head is its place.
      local since = tonumber(score) or 0
      make_ready(id, priority_of(envelope), own_time(id, since > EPOCH_MS and since or id_ms(id) or now), true)
      to_wake = to_wake + 1
    end
    call('ZREM', trash, id)
    call('HDEL', trashed, id)
  else
    left[#left + 1] = ticket
    left[#left + 1] = refusal
  end
end
expire_if_over(restored)
wake(to_wake)
if operation then return answer(close_chunk(left)) end
return answer({fmt('%.0f', now), unpack(left)})
