-- The limits that operators have set: a JSON object in `control`. What cannot be read limits nothing. A rate is a list:
-- how many, in how many ms. Its token bucket holds as many and fills evenly; `<rate>_full` in `control` says when it
-- will be full (generic cell rate algorithm, ITU-T I.371). Needs begin.lua.
local GATHER_MS = 100
local ROUNDING_MS = 0.001 -- a time in ms is a double, and good to a quarter of a µs

local limits = {}
if known.limits then
  local ok, found = pcall(cjson.decode, known.limits)
  if ok and type(found) == 'table' then limits = found end
end

-- A limit that is a number, or nil.
local function limit_of(name)
  return type(limits[name]) == 'number' and limits[name] >= 1 and limits[name] or nil
end

-- Of `enqueue_rate` or `claim_rate`: a table with its tokens, or nil where there is no such limit.
local function read_bucket(name)
  local rate = limits[name]
  if type(rate) ~= 'table' or type(rate[1]) ~= 'number' or type(rate[2]) ~= 'number' then return nil end
  local capacity, period, at = rate[1], rate[2], now_us / 1000
  if not (capacity >= 1 and period >= 1) then return nil end
  -- ms until it is full. More than a whole period is no time of this clock, or of a rate that has changed.
  local missing = (tonumber(call('HGET', control, name .. '_full') or 0) or 0) - at
  if not (missing > 0 and missing <= period) then missing = 0 end
  return {capacity = capacity, period = period, missing = missing, at = at,
    tokens = math.min(capacity, floor((period - missing + ROUNDING_MS) * capacity / period))}
end

-- When it will be full, after `count` more tokens were taken.
local function full_after(bucket, count)
  return fmt('%.17g', bucket.at + bucket.missing + count * bucket.period / bucket.capacity)
end

-- The first ms at which the bucket has so many tokens, fewer than it has now.
local function tokens_at(bucket, count)
  local wait = bucket.missing - bucket.period * (1 - count / bucket.capacity)
  return math.max(math.ceil(bucket.at + wait), now + 1)
end

-- When it is worth while to come back for tokens: those of a fast rate are gathered a little.
local function next_token_at(bucket)
  local gathered = math.min(floor(bucket.capacity / 2), floor(bucket.capacity * GATHER_MS / bucket.period))
  return tokens_at(bucket, math.max(1, gathered))
end
