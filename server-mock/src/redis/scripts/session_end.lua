-- Ends a session after a time, or now, unless it goes on under another number.
-- KEYS[1] the session, KEYS[2] the user's sessions (session_keep.lua)
-- ARGV: its number, for how many ms it is kept still, its digest
expect({ 'hash', 'zset' })
if redis.call('HGET', KEYS[1], 's') ~= ARGV[1] then
  return
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[3])
  return
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], 'XX', time_in(ARGV[2]), ARGV[3])
