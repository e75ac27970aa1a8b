-- Whoever asks about a queue, or acts on one, hears when there is none. Needs begin.lua.
if is_new and call('EXISTS', control) == 0 then
  return redis.error_reply('NOQUEUE there is no such queue')
end
