-- Each request looks at a path of the file, at random.
local requests = {}
for line in io.lines(os.getenv("BENCH_PATHS")) do
  requests[#requests + 1] = line
end
math.randomseed(42)

function request()
  return wrk.format("GET", requests[math.random(#requests)])
end

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "result.lua")
