-- Where a task in the trash was. Needs the name `trashed` of the script's key.

-- A table: from, score, member, by which act; of a task on its way to another queue also to (the queue) and token. What cannot be read
-- came from `ready`.
local function origin_of(id)
  local ok, origin = pcall(cjson.decode, call('HGET', trashed, id) or '')
  if ok and type(origin) == 'table' and tonumber(origin.score) and type(origin.member) == 'string' then return origin end
  return {from = 'ready'}
end

-- What a task on its way to another queue is known by there; '' for any other.
local function token_of(origin)
  local has_both = type(origin.token) == 'string' and type(origin.to) == 'string'
  return has_both and find(origin.to, '^[%w_][%w_.:-]*$') and origin.token or ''
end

-- Why a task on its way to another queue is left alone; nil for any other.
local function moving_of(origin)
  return token_of(origin) ~= '' and 'being moved to ' .. origin.to or nil
end

-- The id and the token of a ticket, `id:token`; of an id alone the token is ''.
local function split_ticket(ticket)
  return match(ticket, '^([^:]*):?(.*)$')
end
