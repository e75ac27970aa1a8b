-- What became of the tasks that an operation requeued: each counts in one of `completed`, `failed` (again, since),
-- `ended` (otherwise) and `recalled`; what is in none of them is under way. Needs history.lua, and the name `outcomes` of the script's
-- key.
local function count_outcome(counters, what)
  local operation, mark = match(counters.operation, '^(%w+)(!?)$')
  local has_failed = mark == '!'
  if not operation or has_failed and what == 'failed' then return end
  local counts = call('HMGET', outcomes, operation .. ':failed', operation .. ':' .. what)
  if not counts[1] then return end -- nobody asks any more
  if has_failed then call('HSET', outcomes, operation .. ':failed', fmt('%.0f', (tonumber(counts[1]) or 0) - 1)) end
  if what == 'failed' then counters.operation = operation .. '!' end
  call('HSET', outcomes, operation .. ':' .. what, fmt('%.0f', (tonumber(counts[2]) or 0) + 1))
end
