-- Hands a ban, or its end, to every node, and remembers it for nodes that start or come back later.
-- KEYS[1] bans (hash: user to the end by the store's clock, in ms; below 0 where it was lifted before, so that no node that was away
-- takes it for lost)
-- ARGV: channel, what is published, user, ms of the ban (0 ends it)
-- How long it is known that a ban was lifted which Redis had lost.
local LIFTED = 86400000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = now + ARGV[4]
if ARGV[4] == '0' then
  ends = math.abs(tonumber(redis.call('HGET', KEYS[1], ARGV[3]) or 0))
  ends = -(ends > now and ends or now + LIFTED)
end
redis.call('HSET', KEYS[1], ARGV[3], string.format('%.0f', ends))
redis.call('PUBLISH', ARGV[1], ARGV[2])
