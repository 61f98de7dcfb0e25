-- ARGV: run, limit, lease ms.   Reply: generation, now, win...
if not loaded then return false end
local reply = { room.generation, now }
for _, win in ipairs(redis.call('ZRANGEBYSCORE', U, '-inf', now, 'LIMIT', 0, ARGV[2])) do
  redis.call('ZADD', U, 'XX', now + ARGV[3], win)
  reply[#reply + 1] = win
end
return reply
