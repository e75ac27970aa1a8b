#!lua flags=no-writes,allow-oom
-- Reads the faults of one queue, last seen first, or one of them in full.
-- KEYS control HASH, faults HASH, faults_seen ZSET, dead_by_fault ZSET, retrying ZSET, history HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] limit, faults   ARGV[4] fingerprint of the only one, or ''
-- ARGV[5] '1': with the attempts by time of what was seen in the last hour
-- Returns: now ms, then a list for each fault: fingerprint, last seen ms or '', number of its dead letters, JSON object or
-- '', attempts, retrying, application versions a line each, JSON object of its mute or '', attempts by time or ''; of the
-- only one then: its notes, a JSON object a line, and when the first of it is tried again, ms or '' where none of the
-- queue's next retries is of it.
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
local reply = {fmt('%.0f', now)}
for i = 1, #seen, 2 do
  local fault, seen_ms = seen[i], seen[i + 1]
  local letters = call('ZLEXCOUNT', dead_by_fault, '[' .. fault .. ':', '(' .. fault .. ';')
  local known_of = call('HMGET', faults, fault, fault .. ':attempts', fault .. ':retrying', fault .. ':versions',
    fault .. ':mute')
  local is_recent = only ~= '' or ARGV[5] == '1' and tonumber(seen_ms) > now - HOUR_MS
  local told = {fault, seen_ms, letters, known_of[1] or '', known_of[2] or '0', known_of[3] or '0', known_of[4] or '',
    known_of[5] or '', is_recent and call('HGET', faults, fault .. ':recent') or ''}
  if only ~= '' then
    told[10], told[11] = call('HGET', faults, fault .. ':notes') or '', next_retry(fault)
  end
  reply[#reply + 1] = told
end
return reply
