-- Waiting workers are woken by tokens. Needs the name `notify` of the script's key.
local MAX_TOKENS = 16
local paused = known.paused

-- Push up to `count` wake-up tokens; none while the queue is paused, and never more than a few: they are a hint. `length`:
-- how many are there, where that has been read.
local function wake(count, length)
  if paused or count < 1 then return end
  local room = MAX_TOKENS - (length or call('LLEN', notify))
  for _ = 1, count < room and count or room do call('RPUSH', notify, '1') end
end
