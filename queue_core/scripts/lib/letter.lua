-- A dead letter becomes ready again, behind what waits already: its history stays, it gets a fresh allowance. Of one that
-- an operation requeues the entry ends with how it was, which `recall` makes of it again. Needs elements.lua, ready.lua, history.lua, retries.lua, retake.lua, and the names `dead` and `dead_by_fault`.
local function put_back(id, envelope, died, operation_id, kind, facts)
  local counters, lines = read_history(id)
  local letter = letter_of(counters.fault, died, id)
  if operation_id ~= '' then
    local previous = counters.operation ~= '' and ',"previous":"' .. counters.operation .. '"' or ''
    facts = sub(facts, 1, -2) .. previous
      .. fmt(',"died":%.0f,"attempts":%d,"crashes":%d}', died, counters.attempts, counters.crashes)
  end
  counters.before = counters.before + counters.attempts
  counters.attempts, counters.crashes, counters.operation = 0, 0, operation_id
  retake_key(id, envelope)
  make_ready(id, priority_of(envelope), own_time(id, now))
  write_history(id, counters, lines, kind, facts)
  call('ZREM', dead, id)
  call('ZREM', dead_by_fault, letter)
end
