-- ARGV: run, owner, lease ms.   Takes the lease on rebuilding, or renews it.
local LOCK, LS, LF, LN = KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local holder = redis.call('GET', LOCK)
if holder and holder ~= ARGV[2] then return 0 end
if not holder then redis.call('DEL', LS, LF, LN) end
redis.call('SET', LOCK, ARGV[2], 'PX', ARGV[3])
return 1
