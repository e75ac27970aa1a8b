#!lua flags=no-writes,allow-oom
-- Reads the faults of one queue, last seen first, or one of them.
-- KEYS control HASH, faults HASH, faults_seen ZSET, dead_by_fault ZSET
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] limit, faults   ARGV[4] fingerprint of the only one, or ''
-- Returns: now ms, then a list for each fault: fingerprint, last seen ms or '', number of its dead letters, JSON object or
-- '', attempts, retrying, application versions a line each.
-- include begin known
-- check keys

local seen
if ARGV[4] == '' then
  seen = call('ZREVRANGE', faults_seen, 0, ARGV[3] - 1, 'WITHSCORES')
else
  seen = {ARGV[4], call('ZSCORE', faults_seen, ARGV[4]) or ''}
end
local reply = {fmt('%.0f', now)}
for i = 1, #seen, 2 do
  local fault = seen[i]
  local letters = call('ZLEXCOUNT', dead_by_fault, '[' .. fault .. ':', '(' .. fault .. ';')
  local known_of = call('HMGET', faults, fault, fault .. ':attempts', fault .. ':retrying', fault .. ':versions')
  reply[#reply + 1] = {fault, seen[i + 1], letters, known_of[1] or '', known_of[2] or '0', known_of[3] or '0',
    known_of[4] or ''}
end
return reply
