#!lua flags=allow-oom
-- An operation pauses, goes on, or is cancelled, before its next chunk. One that waits for what becomes of its first
-- tasks goes on without. A cancelled one stays among those that are under way while tasks of it are on their way.
-- KEYS control HASH, session STRING, operations ZSET, then the operation HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] id   ARGV[5] `pause`, `resume` or `cancel`
-- ARGV[6] why   ARGV[7] how long an ended one is kept, ms
-- Returns: now ms, 1 when that changed anything, else 0.
-- include begin session known
if replayed then return replayed end
-- check keys
local operation = KEYS[NAMED + 1]
wrong = check_types('hash', operation)
if wrong then return wrong end

local known_of = call('HMGET', operation, 'state', 'canary', 'done', 'aside', 'confirm')
local state, canary, done = known_of[1], tonumber(known_of[2]) or 0, tonumber(known_of[3]) or 0
if not state then return redis.error_reply('NOOPERATION there is no such operation') end
if state ~= 'running' and state ~= 'paused' then return redis.error_reply('ENDED ' .. state) end
local verb, fields = ARGV[5], nil
if verb == 'cancel' then
  fields = {'state', 'cancelled', 'why', ARGV[6], 'ended', fmt('%.0f', now)}
elseif verb == 'pause' and state == 'running' then
  fields = {'state', 'paused', 'why', ARGV[6]}
elseif verb == 'resume' and state == 'paused' then
  fields = {'state', 'running', 'why', ''}
elseif verb == 'resume' and canary > 0 and done >= canary then
  fields = {'canary', 0}
end
if not fields then return answer({fmt('%.0f', now), 0}) end
begin_writing()
call('HSET', operation, unpack(fields))
if verb == 'cancel' and (known_of[4] or '') .. (known_of[5] or '') == '' then
  call('ZADD', operations, now, ARGV[4])
  call('PEXPIRE', operation, ARGV[7])
end
return answer({fmt('%.0f', now), 1})
