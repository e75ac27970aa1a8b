#!lua flags=allow-oom
-- An operation begins: what it is to do stands in its HASH, and its id among those of the queue. One that has begun
-- before stays as it is. The oldest that have ended are forgotten.
-- KEYS control HASH, session STRING, operations ZSET, outcomes HASH, then the operation HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] id   ARGV[5] how long an ended one is kept,
-- ms   ARGV[6] most that are kept   ARGV[7] most that are under way   ARGV[8] '1' where it counts what becomes of its
-- tasks   then two for each of its facts: name, value
-- Returns: now ms, 1 when it began now, else 0.
-- include begin session known
if replayed then return replayed end
-- check keys
local operation = KEYS[NAMED + 1]
wrong = check_types('hash', operation)
if wrong then return wrong end

local id = ARGV[4]
if call('EXISTS', operation) == 1 then return answer({fmt('%.0f', now), 0}) end
local under_way = call('ZCOUNT', operations, '-inf', '(0')
if under_way >= tonumber(ARGV[7]) then return redis.error_reply('TOOMANY ' .. fmt('%.0f', under_way)) end

local forgotten = call('ZRANGEBYSCORE', operations, '(0', fmt('%.0f', now - ARGV[5]), 'LIMIT', 0, 256)
local excess = call('ZCARD', operations) + 1 - #forgotten - ARGV[6]
if excess > 0 then
  forgotten = call('ZRANGEBYSCORE', operations, '(0', '+inf', 'LIMIT', 0, math.min(256, #forgotten + excess))
end
local facts = {'id', id, 'state', 'running', 'began', fmt('%.0f', now), 'next', fmt('%.0f', now)}
for i = 9, #ARGV do facts[#facts + 1] = ARGV[i] end
begin_writing()
call('HSET', operation, unpack(facts))
call('ZADD', operations, -now, id)
if ARGV[8] == '1' then
  call('HSET', outcomes, id .. ':completed', 0, id .. ':failed', 0, id .. ':ended', 0, id .. ':recalled', 0)
end
for _, old in ipairs(forgotten) do
  call('ZREM', operations, old)
  call('HDEL', outcomes, old .. ':completed', old .. ':failed', old .. ':ended', old .. ':recalled')
end
return answer({fmt('%.0f', now), 1})
