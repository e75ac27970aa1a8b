#!lua flags=allow-oom
-- What a queue takes and gives out is limited, or not any more. Whoever waits for a slower claim rate is woken.
-- KEYS control HASH, session STRING, notify LIST
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] by whom   ARGV[5] JSON object: the limits
-- that change, `false` for one that ends
-- Returns: now ms, 1 when anything changed, else 0.
-- include begin session limits wake
if replayed then return replayed end
-- check keys

local changes, has_changed = cjson.decode(ARGV[5]), false
local function is_same(a, b)
  if type(a) == 'table' and type(b) == 'table' then return a[1] == b[1] and a[2] == b[2] end
  return a == b
end
for name, value in pairs(changes) do
  if not is_same(limits[name] or false, value) then
    has_changed = true
    limits[name] = value or nil
  end
end
if has_changed then
  begin_writing()
  local is_limited = false
  for name in pairs(limits) do is_limited = is_limited or name ~= 'by' and name ~= 'at' end
  if is_limited then
    limits.by, limits.at = ARGV[4], now
    call('HSET', control, 'limits', cjson.encode(limits))
  else
    call('HDEL', control, 'limits')
  end
  for _, name in ipairs({'enqueue_rate', 'claim_rate'}) do
    if changes[name] == false then call('HDEL', control, name .. '_full') end
  end
  if changes.claim_rate ~= nil then wake(MAX_TOKENS) end
end
return answer({fmt('%.0f', now), has_changed and 1 or 0})
