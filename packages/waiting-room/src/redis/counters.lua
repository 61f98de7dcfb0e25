-- ARGV: run.   Reply: now, revision, stock, remaining, waiting, issuing, issued, dead.
if not loaded then return false end
return { now, tonumber(redis.call('HGET', C, 'revision')), room.stock, remaining, redis.call('ZCARD', W), redis.call('ZCARD', U), room.issued, redis.call('SCARD', D) }
