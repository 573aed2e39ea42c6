-- Hands something to every node; remembers a ban, or its end, for nodes that start later.
-- KEYS[1] bans (hash: user to the end by the store's clock, in ms)
-- ARGV: channel, what is published, user or '', ms of the ban (0 ends it)
if ARGV[3] ~= '' then
  if ARGV[4] == '0' then
    redis.call('HDEL', KEYS[1], ARGV[3])
  else
    local time = redis.call('TIME')
    local until_ms = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[4]
    redis.call('HSET', KEYS[1], ARGV[3], string.format('%.0f', until_ms))
  end
end
redis.call('PUBLISH', ARGV[1], ARGV[2])
