-- Each request is a new order of 1 to 3 lines, with a key of its own.
local prefix, n = os.getenv("BENCH_KEY"), 0
local customers, products = tonumber(os.getenv("BENCH_CUSTOMERS")), tonumber(os.getenv("BENCH_PRODUCTS"))
local headers = { ["content-type"] = "application/json" }
math.randomseed(42)

function request()
  n = n + 1
  headers["idempotency-key"] = prefix .. n
  local lines, taken = {}, {}
  for _ = 1, math.random(3) do
    local product = math.random(products)
    if not taken[product] then
      taken[product] = true
      lines[#lines + 1] = string.format('{"productId":"%d","quantity":%d}', product, math.random(5))
    end
  end
  local body = string.format('{"customerId":"%d","lines":[%s]}', math.random(customers), table.concat(lines, ","))
  return wrk.format("POST", "/orders", headers, body)
end

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "result.lua")
