-- Lanes hold tasks back: `name:<task>` was paused by somebody, `unknown:<task>` is known to no worker that met it.
-- Needs envelope.lua, and the names `held` and `closed` of the script's keys.
local function lane_range(lane)
  return '[' .. lane .. '/', '(' .. lane .. '0'
end

local function lane_count(lane)
  return call('ZLEXCOUNT', held, lane_range(lane))
end

local function close(lane, by, reason)
  call('HSET', closed, lane, 'closed ' .. cjson.encode({by = by, reason = reason, at = now}))
end
