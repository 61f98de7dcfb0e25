-- Each request joins a user who has never been.
local path, user, n = os.getenv("BENCH_PATH"), os.getenv("BENCH_USER"), 0
local headers = { ["content-type"] = "application/json" }

function request()
  n = n + 1
  return wrk.format("POST", path, headers, '{"userId":"' .. user .. n .. '"}')
end

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "result.lua")
