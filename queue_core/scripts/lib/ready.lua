-- The two ready places: a list for priority 0, a sorted set for the others. Needs envelope.lua and elements.lua, and the
-- names `ready`, `removed` and `prioritized` of the script's keys.
local function score_of(priority, ms)
  return fmt('%.0f', ms - EPOCH_MS - priority * PRIORITY_STEP)
end

local function priority_of_score(score)
  return -floor(score / PRIORITY_STEP)
end

-- Put a task where it is given out from. An element of the list that was struck out and is still there serves again:
-- no id stands in the list twice.
local function make_ready(id, priority, digits, at_head)
  if priority ~= 0 then
    call('ZADD', prioritized, score_of(priority, ready_ms(id, digits)), id)
  elseif call('SREM', removed, id) == 0 then
    call(at_head and 'LPUSH' or 'RPUSH', ready, element_of(id, digits))
  end
end

local function ready_count()
  return call('LLEN', ready) - call('SCARD', removed) + call('ZCARD', prioritized)
end
