-- Forgets all sessions of a user, or a room in each of them.
-- KEYS[1] the user's sessions (session_keep.lua)
-- ARGV: what the key of a session has before its digest, the room's field or '' for the whole sessions
expect({ 'zset' })
for _, digest in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if ARGV[2] == '' then
    redis.call('DEL', ARGV[1] .. digest)
  elseif redis.call('TYPE', ARGV[1] .. digest)['ok'] == 'hash' then
    redis.call('HDEL', ARGV[1] .. digest, ARGV[2])
  end
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
end
