-- Where a task in the trash was. Needs the name `trashed` of the script's key.

-- A table: from, score, member. What cannot be read came from `ready`.
local function origin_of(id)
  local ok, origin = pcall(cjson.decode, call('HGET', trashed, id) or '')
  if ok and type(origin) == 'table' and tonumber(origin.score) and type(origin.member) == 'string' then return origin end
  return {from = 'ready'}
end
