-- Reads a room as it is now; makes it if it is not there, and begins it anew if entries were lost.
-- KEYS[3] who is there (hash)
-- ARGV: name, fresh epoch, held epoch, held head, held id, node, retention ms, most entries, channel, sharded
local name, fresh, node = ARGV[1], ARGV[2], ARGV[6]
local held_epoch, held_head, held_id = ARGV[3], tonumber(ARGV[4]), ARGV[5]
check_type(KEYS[3], 'hash')
local epoch, head, hid, safe = read_room(name)
if not epoch then
  epoch, head, hid, safe = begin(name, fresh)
elseif has_lost(epoch, head, hid, held_epoch, held_head, held_id) then
  epoch, head, hid, safe = begin(name, fresh)
  publish(ARGV[10], ARGV[9], 'H ' .. epoch .. ' 0')
end
keep(ARGV[7])
-- What a node has been shown stays shown.
if safe and safe < head then head = held_epoch == epoch and math.max(safe, held_head) or safe end
local gone = redis.call('HMGET', room, 'gone', 'gid')
local gone_seq, gone_id = tonumber(gone[1]), gone[2] or ''
local after = gone_seq
if held_epoch == epoch and held_head > after then
  after, gone_seq, gone_id = held_head, held_head, held_id
end
local entries = {}
if head > after then
  -- The newest ones, if there are more than a node keeps.
  local newest = redis.call('XREVRANGE', log, head .. '-0', (after + 1) .. '-0', 'COUNT', ARGV[8])
  for at = #newest, 1, -1 do
    local seq = newest[at][1]
    local fields = newest[at][2]
    entries[#entries + 1] = { string.sub(seq, 1, -3), fields[2], fields[4], fields[6] }
  end
end
local here = {}
local all = redis.call('HGETALL', KEYS[3])
for at = 1, #all, 2 do
  local left = tonumber(all[at + 1]) - now
  if left <= 0 then
    redis.call('HDEL', KEYS[3], all[at])
  elseif string.sub(all[at], 1, #node + 1) ~= node .. '|' then
    here[#here + 1] = all[at]
    here[#here + 1] = left
  end
end
return { epoch, head, gone_seq, gone_id, entries, here }
