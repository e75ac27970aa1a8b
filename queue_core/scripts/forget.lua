#!lua flags=allow-oom
-- Tasks that another queue has taken leave this one for good: those that are put aside under the ticket's token.
-- KEYS control HASH, session STRING, tasks HASH, history HASH, stats HASH, dead ZSET, trash ZSET, trashed HASH, faults
-- HASH, unique HASH, expiring ZSET, outcomes HASH; at the change of a minute: telemetry HASH, then for a
-- chunk its operation HASH, `operations` ZSET and `outcomes` HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   then the tickets, `id:token`; of a
-- chunk also those that did not enter the other queue, each with a space and why behind it, then the runner's token
-- Returns: now ms, then ticket, why: of those that were left alone (`not put aside`); of a chunk, which counts what has
-- become of its tasks: now ms, how it goes on, when in ms or '', tasks done.
-- include begin session figures count history outcome retries origin envelope unique expiring trash operation
if replayed then return replayed end
-- check keys

local reply, leaving, seen = {fmt('%.0f', now)}, {}, {}
local function let_go(ticket)
  local id, token = split_ticket(ticket)
  if token ~= '' and not seen[id] and call('ZSCORE', trash, id) and token_of(origin_of(id)) == token then
    seen[id] = true
    leaving[#leaving + 1] = id
  else
    reply[#reply + 1] = ticket
    reply[#reply + 1] = 'not put aside'
  end
end

-- Of a chunk: those that are on their way still, those that are not any more, and ids with why: of those that stay.
local on_the_way, settled, left = {}, {}, {}
if operation then
  local refusal = open_chunk('move')
  if refusal then return refusal end
  local why_of = {}
  for i = 4, #ARGV - 1 do
    local ticket, why = match(ARGV[i], '^(%S+) ?(.*)$')
    why_of[ticket or ''] = why
  end
  for ticket in string.gmatch(op.aside, '%S+') do
    local why = why_of[ticket]
    if not why then
      on_the_way[#on_the_way + 1] = ticket
    else
      settled[#settled + 1] = ticket
      if why == '' then
        let_go(ticket)
      else
        left[#left + 1] = match(ticket, '^[^:]*')
        left[#left + 1] = why
      end
    end
  end
else
  for i = 4, #ARGV do let_go(ARGV[i]) end
end
if #leaving > 0 then
  begin_writing()
  leave_trash(leaving, 'exported')
end
if operation then
  if #settled == 0 then return answer(told('more')) end
  op.aside, op.taken, op.is_settling = table.concat(on_the_way, ' '), #settled, true
  call('HSET', operation, 'aside', op.aside, 'confirm', table.concat(settled, ' '))
  return answer(close_chunk(left))
end
return answer(reply)
