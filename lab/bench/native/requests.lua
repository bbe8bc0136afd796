-- wrk: requests by many buyers in turn; counts answers by whether they are successes.
-- wrk ... -s requests.lua URL -- TOKENS [BODY]: a file with one token a line, and one with the body of a POST
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(arguments)
  headers = {}
  for token in io.lines(arguments[1]) do
    headers[#headers + 1] = { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" }
  end
  if arguments[2] then
    body = io.open(arguments[2]):read("*a")
  end
  turn = number * 7919 -- threads begin with different buyers
end

function request()
  turn = turn + 1
  return wrk.format(body and "POST" or "GET", nil, headers[turn % #headers + 1], body)
end

function done(summary, latency)
  local errors = summary.errors
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  print(string.format("ok %d", summary.requests - errors.status))
  print(string.format("refused %d", errors.status))
  print(string.format("lost %d", lost))
  print(string.format("seconds %.3f", summary.duration / 1e6))
  print(string.format("p50 %.2f", latency:percentile(50) / 1e3))
  print(string.format("p99 %.2f", latency:percentile(99) / 1e3))
end
