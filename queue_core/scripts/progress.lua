#!lua flags=allow-oom
-- What handlers say of their progress stands behind their claims, for as long as their attempts last: whoever holds the
-- fence may say so.
-- KEYS control HASH, session STRING, running HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   then three for each task: id, fence, progress as a
-- JSON object, not empty
-- Returns the list of ids whose lease was lost.
-- include begin session
if replayed then return replayed end
-- check keys

local lost, said = {}, {}
for i = 4, #ARGV, 3 do
  local id = ARGV[i]
  local claim, fence = match(call('HGET', running, id) or '', '^((%d+) %d+ %w* %S+)')
  if fence == ARGV[i + 1] then
    said[#said + 1] = id
    said[#said + 1] = claim .. ' ' .. sub(ARGV[i + 2], 1, -2) .. fmt(',"at":%.0f}', now)
  else
    lost[#lost + 1] = id
  end
end
if #said > 0 then
  begin_writing()
  call('HSET', running, unpack(said))
end
return answer(lost)
