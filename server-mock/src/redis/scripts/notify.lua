-- Appends a notification to a user's personal stream; the user gets it now, on whichever node, or on the next connection.
-- For any language. HASH is the first 32 characters of the SHA-256, in hexadecimal, of '@' and the user's name.
--   KEYS: rejoin:{HASH}:room rejoin:{HASH}:log
--   ARGV: user, kind, data (JSON), id (unique, 1 to 64 of A-Z a-z 0-9 _ -), most entries kept (--history; 500 if left out)
-- Gives the notification's number.
local room, log = KEYS[1], KEYS[2]
local user, kind, data, id, most = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5] or 500)
local name = '@' .. user
if not string.match(id or '', '^[%w_-]+$') or #id > 64 then
  return redis.error_reply('REJOIN the id is 1 to 64 characters of A-Z a-z 0-9 _ -')
end
if kind == '' or #kind > 64 then
  return redis.error_reply('REJOIN the kind is 1 to 64 bytes')
end
if not pcall(cjson.decode, data) then
  return redis.error_reply('REJOIN the data is not JSON')
end
local known = redis.call('HMGET', room, 'name', 'epoch', 'head')
if known[1] and known[1] ~= name or (not known[1] and redis.call('EXISTS', room) == 1) then
  return redis.error_reply('REJOIN foreign ' .. room)
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local epoch, head = known[2], tonumber(known[3] or 0)
if not epoch then
  epoch = string.sub(redis.sha1hex(id .. now .. time[2]), 1, 16)
  redis.call('DEL', log)
  redis.call('HSET', room, 'name', name, 'epoch', epoch, 'head', 0, 'gone', 0, 'bytes', 0)
end
local seq = string.format('%.0f', head + 1)
local entry = cjson.encode({ u = user, k = kind, d = data })
redis.call('XADD', log, seq .. '-0', 'i', id, 't', now, 'e', entry)
redis.call('HSET', room, 'head', seq, 'hid', id)
-- This does not wait for replicas (--durability), and shows what lies before it too.
redis.call('HDEL', room, 'safe', 'life')
redis.call('HINCRBY', room, 'bytes', #entry)
while redis.call('XLEN', log) > most do
  local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  redis.call('XDEL', log, oldest[1])
  redis.call('HINCRBY', room, 'bytes', -#oldest[2][6])
  redis.call('HSET', room, 'gone', string.sub(oldest[1], 1, -3), 'gid', oldest[2][2])
end
if redis.call('PTTL', room) < 0 then
  redis.call('PEXPIRE', room, 86400000)
end
redis.call('PEXPIRE', log, redis.call('PTTL', room))
-- 'rejoin:{HASH}:room' without its last part is the room's channel.
-- The nodes listen on the room's shard of a cluster.
local clustered = string.find(redis.call('INFO', 'cluster'), 'cluster_enabled:1', 1, true)
redis.call(clustered and 'SPUBLISH' or 'PUBLISH', string.sub(room, 1, -6), table.concat({ 'L', epoch, seq, now, id, entry }, ' '))
return head + 1
