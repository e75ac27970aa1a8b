#!lua flags=allow-oom
-- Tasks that another queue has taken leave this one for good: those that are put aside under the ticket's token.
-- KEYS control HASH, session STRING, tasks HASH, history HASH, stats HASH, dead ZSET, trash ZSET, trashed HASH, faults
-- HASH, unique HASH, expiring ZSET, outcomes HASH; at the change of a minute: telemetry HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   then the tickets, `id:token`
-- Returns: now ms, then ticket, why: of those that were left alone (`not put aside`).
-- include begin session figures count history outcome retries origin envelope unique expiring trash
if replayed then return replayed end
-- check keys

local reply, leaving, seen = {fmt('%.0f', now)}, {}, {}
for i = 4, #ARGV do
  local id, token = split_ticket(ARGV[i])
  if token ~= '' and not seen[id] and call('ZSCORE', trash, id) and token_of(origin_of(id)) == token then
    seen[id] = true
    leaving[#leaving + 1] = id
  else
    reply[#reply + 1] = ARGV[i]
    reply[#reply + 1] = 'not put aside'
  end
end
if #leaving > 0 then
  begin_writing()
  leave_trash(leaving, 'exported')
end
return answer(reply)
