-- ARGV: run, then user, seq of each ticket.
if not loaded then return false end
for i = 2, #ARGV, 2 do
  if tonumber(redis.call('ZSCORE', W, ARGV[i]) or nil) == tonumber(ARGV[i + 1]) then redis.call('ZREM', W, ARGV[i]) end
end
return 1
