-- Unique keys: `unique` says which task holds a key, and until when (0: until it ends). Needs envelope.lua, and the
-- names `unique`, `tasks`, `dead`, `trash` of the script's keys.

-- The key that a task holds until it ends; nil where it has none, or its key is held for a stated time.
local function key_of(envelope)
  local options = options_of(envelope)
  return type(options.unique_key) == 'string' and not options.unique_for and options.unique_key or nil
end

-- The id that holds a key now, or nil. A dead letter and what lies in the trash hold none: they block nobody.
local function holder_of(key)
  local holder, until_ms = match(call('HGET', unique, key) or '', '^(%S+) (%d+)$')
  if not holder then return nil end
  if until_ms ~= '0' then return now < tonumber(until_ms) and holder or nil end
  if call('ZSCORE', dead, holder) or call('ZSCORE', trash, holder) then return nil end
  local envelope = call('HGET', tasks, holder)
  return envelope and key_of(envelope) == key and holder or nil
end

-- What has ended gives its key back, unless another task holds it by now.
local function release_key(id, key)
  if call('HGET', unique, key) == id .. ' 0' then call('HDEL', unique, key) end
end

local has_keys
local function release_key_of(id, envelope)
  if has_keys == nil then has_keys = call('EXISTS', unique) == 1 end
  local own = has_keys and envelope and key_of(envelope)
  if own then release_key(id, own) end
end
