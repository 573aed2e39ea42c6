-- Hands a kick or a removal to every node, and remembers it for nodes that were away.
-- KEYS[1] removals (stream)
-- ARGV: channel, what is published (a JSON object), for how long it is remembered in ms, most of them
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'c', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[1], string.sub(ARGV[2], 1, -2) .. ',"at":"' .. id .. '"}')
