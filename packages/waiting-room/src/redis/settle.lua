-- ARGV: run, how many of the wins are issued (the rest is dead), win...
if not loaded then return false end

local function know(serial, seq, user)
  local had = redis.call('HGET', S, user)
  if had == serial .. ':' .. seq then return end
  if had and redis.call('ZREM', U, had .. ':' .. user) + redis.call('SREM', D, had .. ':' .. user) > 0 then
    redis.call('ZADD', F, string.match(had, '^%d+'), string.match(had, '^%d+'))
  end
  redis.call('HSET', S, user, serial .. ':' .. seq)
  redis.call('ZREM', W, user)
  if redis.call('ZREM', F, serial) == 0 and serial > room.next then
    for skipped = room.next + 1, serial - 1 do redis.call('ZADD', F, skipped, skipped) end
    room.next = serial
    redis.call('HSET', C, 'next', serial)
  end
end

local issued = tonumber(ARGV[2])
for i = 3, #ARGV do
  local win = ARGV[i]
  if i - 2 > issued then
    if redis.call('ZREM', U, win) == 1 then redis.call('SADD', D, win) end
  elseif redis.call('ZREM', U, win) + redis.call('SREM', D, win) == 0 then
    know(split(win))
  end
end
return 1
