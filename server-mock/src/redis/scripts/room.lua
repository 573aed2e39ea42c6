-- What the scripts for one room share. Put before each of them.
-- KEYS[1] room (hash), KEYS[2] log (stream). An error reply without a code of Redis's own begins with REJOIN.

local room, log = KEYS[1], KEYS[2]

-- The store's clock in milliseconds: a node whose own is wrong does not matter.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Whether something other than ours lies under a key.
local function check_type(key, wanted)
  local found = redis.call('TYPE', key)['ok']
  if found ~= 'none' and found ~= wanted then
    error({ err = 'REJOIN foreign ' .. key })
  end
end

-- How many replicas are connected, and which life of the primary this is: after a failover it is another one.
local function replication()
  local info = redis.call('INFO', 'replication')
  return tonumber(string.match(info, 'connected_slaves:(%d+)') or 0), string.match(info, 'master_replid:(%x+)') or ''
end

-- Everything in the log may be shown.
local function show_all()
  redis.call('HDEL', room, 'safe', 'life')
end

-- The room as it is: epoch or false, head, id of the head or false, and up to where it may be shown or false (everything):
-- what lies beyond that too few replicas have confirmed. Of what a primary has after a failover there is nothing else.
local function read_room(name)
  check_type(room, 'hash')
  check_type(log, 'stream')
  local known = redis.call('HMGET', room, 'name', 'epoch', 'head', 'hid', 'safe', 'life')
  if not known[1] then
    if redis.call('EXISTS', room) == 1 then
      error({ err = 'REJOIN foreign ' .. room })
    end
    return false, 0, false, false
  end
  if known[1] ~= name then
    error({ err = 'REJOIN foreign ' .. room })
  end
  local safe = tonumber(known[5] or nil)
  if safe then
    local _, life = replication()
    if known[6] ~= life then
      show_all()
      safe = nil
    end
  end
  return known[2], tonumber(known[3]), known[4], safe or false
end

-- Begins a life of the log, empty. Lines of sends have the epoch in them and are not known any more.
local function begin(name, epoch)
  redis.call('DEL', room, log)
  redis.call('HSET', room, 'name', name, 'epoch', epoch, 'head', 0, 'gone', 0, 'bytes', 0)
  return epoch, 0, false, false
end

-- Whether the store has lost entries that a node still has: a smaller head, or another id at that number.
local function has_lost(epoch, head, hid, held_epoch, held_head, held_id)
  if held_epoch ~= epoch or held_head == 0 then return false end
  if held_head > head then return true end
  local id = hid
  if held_head < head then
    local gone = redis.call('HMGET', room, 'gone', 'gid')
    if tonumber(gone[1]) == held_head then
      id = gone[2]
    else
      local entry = redis.call('XRANGE', log, held_head .. '-0', held_head .. '-0')[1]
      id = entry and entry[2][2]
    end
  end
  return id and held_id ~= '' and id ~= held_id
end

-- The room is in use.
local function keep(retention)
  redis.call('PEXPIRE', room, retention)
  redis.call('PEXPIRE', log, retention)
end

local function publish(sharded, channel, text)
  redis.call(sharded == '1' and 'SPUBLISH' or 'PUBLISH', channel, text)
end
