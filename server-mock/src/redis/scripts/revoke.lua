-- Takes tokens back on every node, or gives them back, and remembers it for nodes that start or come back later.
-- KEYS[1] revocations (hash: what to 'the moment:the end', both in ms by the store's clock; '-:the end' where it was given back
-- before, so that no node that was away takes it for lost)
-- ARGV: channel, node, what ('u' and a user, or 'j' and a digest), ms (0 gives back), most of them
-- Answers the moment from which on new tokens are good, or 'full'.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lasts = tonumber(ARGV[4])
if lasts == 0 then
  local ends = string.match(redis.call('HGET', KEYS[1], ARGV[3]) or '', ':(%d+)$')
  if ends then redis.call('HSET', KEYS[1], ARGV[3], '-:' .. ends) end
else
  if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) and redis.call('HEXISTS', KEYS[1], ARGV[3]) == 0 then
    local all = redis.call('HGETALL', KEYS[1])
    for at = 1, #all, 2 do
      local ends = tonumber(string.match(all[at + 1], ':(%d+)$'))
      if not ends or ends <= now then redis.call('HDEL', KEYS[1], all[at]) end
    end
    if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then return 'full' end
  end
  redis.call('HSET', KEYS[1], ARGV[3], string.format('%.0f:%.0f', now, now + lasts))
end
local text = cjson.encode({node = ARGV[2], ['do'] = 'revoke', what = ARGV[3], atMs = now, lastsMs = lasts})
redis.call('PUBLISH', ARGV[1], text)
return now
