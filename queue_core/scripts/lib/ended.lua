-- Whoever waits for a task's end is told of it, on the task's own channel: a hint, never the truth. Needs the name
-- `tasks` of the script's key.
local function tell_end(id)
  redis.pcall('PUBLISH', tasks .. ':' .. id, '') -- a user who may not publish keeps the others from hearing, no more
end
