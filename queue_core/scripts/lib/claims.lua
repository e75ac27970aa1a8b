-- What `running` says of a task: `fence claimed-ms ready-digits worker`, and ` {progress}` once its handler has told any.
local function worker_of(claim)
  return match(claim or '', '^%d+ %d+ %w* (%S+)') or ''
end
