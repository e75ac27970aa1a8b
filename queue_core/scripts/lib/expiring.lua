-- Tasks that are not to begin after a time: `expiring`. When it comes for one that runs or lies in the trash, that is
-- noted by `OVER`: it ends as soon as it waits again. Needs the name of the key.
local OVER = 'inf'

-- These wait again: the time of some may be over.
local function expire_if_over(ids)
  if #ids == 0 or call('EXISTS', expiring) == 0 then return end
  for _, id in ipairs(ids) do
    if call('ZSCORE', expiring, id) == OVER then call('ZADD', expiring, 0, id) end
  end
end

-- These have ended, or wait for a person.
local function forget_expiry(ids)
  if call('EXISTS', expiring) == 1 then call('ZREM', expiring, unpack(ids)) end
end
