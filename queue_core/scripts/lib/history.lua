-- What happened to a task. Needs the name `history` of the script's key.
local MAX_HISTORY = 1000

-- The counters of a task and the lines of its history (nil where nothing has happened yet).
local function parse_history(text)
  local counters = {attempts = 0, crashes = 0, releases = 0, before = 0, fault = '-', operation = ''}
  if not text then return counters, '' end
  local attempts, crashes, releases, before, fault, operation, lines =
    match(text, '^(%d+) (%d+) (%d+) (%d+) (%S+) ?(%w*!?)\n(.*)$')
  if not attempts then return counters, '' end
  counters.attempts, counters.crashes = tonumber(attempts), tonumber(crashes)
  counters.releases, counters.before = tonumber(releases), tonumber(before)
  counters.fault, counters.operation = fault, operation
  return counters, lines
end

local function read_history(id)
  return parse_history(call('HGET', history, id))
end

-- The counters, the lines and one more, `now kind JSON`; the oldest lines make room.
local function history_with(counters, lines, kind, facts)
  lines = lines .. fmt('%.0f', now) .. ' ' .. kind .. ' ' .. facts .. '\n'
  while #lines > MAX_HISTORY do
    local line_end = find(lines, '\n', 1, true)
    if line_end == #lines then break end
    lines = sub(lines, line_end + 1)
  end
  local operation = counters.operation ~= '' and ' ' .. counters.operation or ''
  return fmt('%d %d %d %d %s%s\n', counters.attempts, counters.crashes, counters.releases, counters.before,
    counters.fault, operation) .. lines
end

local function write_history(id, counters, lines, kind, facts)
  call('HSET', history, id, history_with(counters, lines, kind, facts))
end

local function forget_history(id)
  call('HDEL', history, id, ':' .. id)
end
