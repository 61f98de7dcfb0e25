-- ARGV: run, owner, lease ms.   Takes the lease on rebuilding, or renews it.
local LOCK, LS, LF, LN = KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local holder = redis.call('GET', LOCK)
if holder and holder ~= ARGV[2] then return 0 end
-- A lease that ran out and was taken by nobody else goes on with what it has staged.
if redis.call('HGET', LN, 'owner') ~= ARGV[2] then redis.call('DEL', LS, LF, LN) end
redis.call('HSET', LN, 'owner', ARGV[2], 'lease', ARGV[3])
redis.call('SET', LOCK, ARGV[2], 'PX', ARGV[3])
return 1
