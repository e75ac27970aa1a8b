#!lua flags=allow-oom
-- An operator's action of several calls is under way, or has ended with an outcome: whoever sends the same form again is
-- told so. Safe to send again, so it has no session.
-- KEYS control HASH, then the action STRING
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] who runs it: a word of its own   ARGV[4] outcome, or '' while it is under way
-- ARGV[5] how long that stands, ms
-- Returns '' when it stands there now, else what somebody else's mark says: `runner outcome`.
-- include begin
local action = KEYS[NAMED + 1]
-- include known
local wrong = check_types('string', action)
if wrong then return wrong end

local mark = call('GET', action)
if mark and mark ~= '' and match(mark, '^%S+') ~= ARGV[3] then return mark end
call('SET', action, ARGV[3] .. ' ' .. ARGV[4], 'PX', ARGV[5])
return ''
