-- ARGV: run, lease ms, win...
if not loaded then return false end
for i = 3, #ARGV do redis.call('ZADD', U, 'XX', now + ARGV[2], ARGV[i]) end
return 1
