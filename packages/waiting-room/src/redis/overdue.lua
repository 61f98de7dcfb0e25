-- ARGV: run, limit, lease ms.   Reply: generation, now, how many are unsettled, win...
if not loaded then return false end
local reply = { room.generation, now, redis.call('ZCARD', U) }
for _, win in ipairs(redis.call('ZRANGEBYSCORE', U, '-inf', now, 'LIMIT', 0, ARGV[2])) do
  redis.call('ZADD', U, 'XX', now + ARGV[3], win)
  reply[#reply + 1] = win
end
return reply
