-- The newest attempts of each task name, by the minute, as workers tell of them: one short text a name.
-- Needs begin.lua and figures.lua, and the name `attempts` of the script's key.
local NEWEST_MINUTES, MAX_TEXT, MAX_NAMES, ASKED, STEADY = 60, 1000, 400, 16, 60 -- MAX_TEXT: characters; STEADY: minutes

-- When the last one completed, ms, or 0; then, newest first: its minute, how many completed and how many failed in it;
-- of each earlier minute with any, how many minutes before that it was, how many completed, how many failed. What gets
-- too long keeps the newest minutes. A clock that goes back by less than an hour stays in the newest minute.
local function with_attempts(text, completed, failed, completed_ms)
  local last, newest, done, bad, older = match(text, '^(%d+) (%d+) (%d+) (%d+)(.*)$')
  local minute = floor(now / 60000)
  newest = tonumber(newest)
  if not newest or newest >= minute + STEADY then
    return fmt('%.0f %.0f %.0f %.0f', completed_ms, minute, completed, failed)
  end
  last = math.max(tonumber(last), completed_ms)
  if newest >= minute then
    return fmt('%.0f %.0f %.0f %.0f%s', last, newest, done + completed, bad + failed, older)
  end
  if #older > MAX_TEXT then
    local kept = 0
    for _ = 1, NEWEST_MINUTES - 2 do
      local _, stop = find(older, '^ %d+ %d+ %d+', kept + 1)
      if not stop then break end
      kept = stop
    end
    older = sub(older, 1, kept)
  end
  return fmt('%.0f %.0f %.0f %.0f %.0f %s %s%s', last, minute, completed, failed, minute - newest, done, bad, older)
end

-- Whether there is room for a name that is not there: of some that are asked at random, the one without an attempt for
-- the longest gives way, if that was before the last minute.
local function has_room()
  if call('HLEN', attempts) < MAX_NAMES then return true end
  local asked, stalest, since = call('HRANDFIELD', attempts, ASKED, 'WITHVALUES'), nil, floor(now / 60000) - 1
  for i = 1, #asked, 2 do
    local newest = tonumber(match(asked[i + 1], '^%d+ (%d+)') or 0)
    if newest < since then stalest, since = asked[i], newest end
  end
  if stalest then call('HDEL', attempts, stalest) end
  return stalest ~= nil
end

-- `age_ms`: how long ago the last of those completed, or ''.
local function count_attempts(name, completed, failed, age_ms)
  completed, failed = math.max(completed, 0), math.max(failed, 0)
  if completed + failed == 0 then return end
  local text = call('HGET', attempts, name)
  if not text and not has_room() then return end
  local completed_ms = completed > 0 and math.max(now - math.max(whole(age_ms) or 0, 0), 0) or 0
  call('HSET', attempts, name, with_attempts(text or '', completed, failed, completed_ms))
end
