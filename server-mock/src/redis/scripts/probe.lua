-- Uses every command that the scripts need, on keys that nobody else has: one that is missing, or not allowed, is found at the start.
-- KEYS[1] and KEYS[2] are of one slot  ARGV: channel, sharded
local one, two = KEYS[1], KEYS[2]
local failed
local function try(command, ...)
  local reply = redis.pcall(command, ...)
  if type(reply) == 'table' and reply.err and not failed then
    local kind = string.find(reply.err, 'The user executing', 1, true) and 'NOPERM ' or 'REJOIN '
    failed = { err = kind .. command .. ': ' .. reply.err }
  end
end
for _, command in ipairs({ 'TYPE', 'EXISTS', 'PTTL', 'HGETALL', 'HKEYS', 'HLEN', 'XLEN', 'ZCARD', 'ZPOPMIN', 'DEL' }) do
  try(command, one)
end
try('TIME')
try('INFO', 'replication')
try('HSET', one, 'f', 1)
try('HSETNX', one, 'g', 1)
try('HINCRBY', one, 'f', 1)
for _, command in ipairs({ 'HGET', 'HMGET', 'HEXISTS', 'HDEL' }) do try(command, one, 'f') end
try('PEXPIRE', one, 1000)
try('XADD', two, '1-0', 'f', 1)
try('XRANGE', two, '-', '+')
try('XREVRANGE', two, '+', '-')
try('XDEL', two, '1-0')
try('DEL', one, two)
try('ZADD', one, 1, 'f')
try('ZRANGE', one, 0, -1)
try('ZREM', one, 'f')
try('ZREMRANGEBYSCORE', one, 0, 1)
try('DEL', one, two)
try(ARGV[2] == '1' and 'SPUBLISH' or 'PUBLISH', ARGV[1], '')
return failed or 1
