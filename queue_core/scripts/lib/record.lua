-- What an ended task leaves. Needs the names `tasks` and `history` of the script's keys.
local MAX_RECORD_ENVELOPE = 4096

-- In place of the record of an earlier task of the same id.
local function keep_record(key, id, state, worker, keep_ms)
  local envelope = call('HGET', tasks, id) or ''
  call('DEL', key)
  call('HSET', key, 'state', state, 'at', fmt('%.0f', now), 'worker', worker or '', 'bytes', #envelope,
    'envelope', #envelope <= MAX_RECORD_ENVELOPE and envelope or match(envelope, '^[^\n]*\n') or '',
    'history', call('HGET', history, id) or '', 'traceback', call('HGET', history, ':' .. id) or '')
  call('PEXPIRE', key, keep_ms)
end
