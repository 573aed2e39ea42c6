-- Keeps what is known of a session, or keeps it longer, unless the session goes on under another number.
-- KEYS[1] the session (hash: 's' its number, 'v' its version, 'r' and a room's digest for each room, and what else there
--         is), KEYS[2] the user's sessions (sorted set: digests by the time in ms when each ends)
-- ARGV: its number, the number that it goes on from or '', its version, for how many ms it is kept, how many sessions a
--       user has at most, its digest; then the fields and their values, none to keep those that there are
-- Returns: 'kept', 'moved' if it has another number, 'missing' if there is nothing to keep longer
expect({ 'hash', 'zset' })
local known = redis.call('HMGET', KEYS[1], 's', 'v')
if known[1] and known[1] ~= ARGV[1] and known[1] ~= ARGV[2] then
  return 'moved'
end
if #ARGV == 6 and known[1] ~= ARGV[1] then
  return 'missing'
end
if #ARGV > 6 and not (known[1] == ARGV[1] and tonumber(known[2]) > tonumber(ARGV[3])) then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 's', ARGV[1], 'v', ARGV[3])
  for at = 7, #ARGV, 2 do
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])

local own = ARGV[6]
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. time_in(0))
redis.call('ZREM', KEYS[2], own)
-- Those that end first are those that were lost first.
local prefix = string.sub(KEYS[1], 1, -1 - #own)
while redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[5]) do
  local first = redis.call('ZPOPMIN', KEYS[2])
  redis.call('DEL', prefix .. first[1])
end
redis.call('ZADD', KEYS[2], time_in(ARGV[4]), own)
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', math.max(tonumber(ARGV[4]), redis.call('PTTL', KEYS[2]))))
return 'kept'
