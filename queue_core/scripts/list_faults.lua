#!lua flags=no-writes,allow-oom
-- Reads the faults of one queue, last seen first, or one of them in full.
-- KEYS control HASH, faults HASH, faults_seen ZSET, dead_by_fault ZSET, retrying ZSET, history HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] limit, faults   ARGV[4] fingerprint of the only one, or ''
-- ARGV[5] '1': with the attempts by time of what was seen in the last hour
-- Returns: now ms; how many calls have changed the queue, or ''; then a list for each fault: fingerprint, last seen ms or
-- '', number of its dead letters, JSON object or '', attempts, retrying, application versions a line each, JSON object of
-- its mute or '', attempts by time or ''; of the only one then: its notes, a JSON object a line, and when the first of it
-- is tried again, ms or '' where none of the queue's next retries is of it.
-- include begin history known
-- check keys
local HOUR_MS, LOOK_AT_MOST = 3600000, 100

local function next_retry(fault)
  local waiting = call('ZRANGE', retrying, 0, LOOK_AT_MOST - 1, 'WITHSCORES')
  for i = 1, #waiting, 2 do
    if read_history(waiting[i]).fault == fault then return waiting[i + 1] end
  end
  return ''
end

local only, seen = ARGV[4], nil
if only == '' then
  seen = call('ZREVRANGE', faults_seen, 0, ARGV[3] - 1, 'WITHSCORES')
else
  seen = {only, call('ZSCORE', faults_seen, only) or ''}
end
local PARTS, AT_ONCE = {'', ':attempts', ':retrying', ':versions', ':mute'}, 200
if only ~= '' or ARGV[5] == '1' then PARTS[6] = ':recent' end
local reply = {fmt('%.0f', now), known.changes or ''}
for first = 1, #seen, 2 * AT_ONCE do
  local last, fields = math.min(#seen, first + 2 * AT_ONCE - 1), {}
  for i = first, last, 2 do
    for _, part in ipairs(PARTS) do fields[#fields + 1] = seen[i] .. part end
  end
  local facts, n = call('HMGET', faults, unpack(fields)), 0
  for i = first, last, 2 do
    local fault, seen_ms = seen[i], seen[i + 1]
    local letters = call('ZLEXCOUNT', dead_by_fault, '[' .. fault .. ':', '(' .. fault .. ';')
    local is_recent = only ~= '' or ARGV[5] == '1' and tonumber(seen_ms) > now - HOUR_MS
    local told = {fault, seen_ms, letters, facts[n + 1] or '', facts[n + 2] or '0', facts[n + 3] or '0',
      facts[n + 4] or '', facts[n + 5] or '', is_recent and facts[n + 6] or ''}
    if only ~= '' then
      told[10], told[11] = call('HGET', faults, fault .. ':notes') or '', next_retry(fault)
    end
    reply[#reply + 1] = told
    n = n + #PARTS
  end
end
return reply
