-- The requests of wrk: POST registers a new device each time, GET reads a random one of a thousand.
local counter = 0
local prefix = os.getenv("BENCH_PREFIX")
local path = os.getenv("BENCH_PATH")
local head = "Host: 127.0.0.1\r\nAuthorization: Bearer " .. os.getenv("BENCH_TOKEN") .. "\r\n"
local before = '{"otp_device_id":"' .. prefix
local after = '","otp_device_description":"Till at the door",' ..
    '"otp_key":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ","otp_algorithm":1}'
local post = "POST " .. path .. " HTTP/1.1\r\n" .. head ..
    "Content-Length: " .. (#before + 10 + #after) .. "\r\n\r\n" .. before
local step = tonumber(os.getenv("BENCH_STEP"))
local tail = " HTTP/1.1\r\n" .. head .. "\r\n"

if os.getenv("BENCH_METHOD") == "POST" then
    request = function()
        counter = counter + 1
        return post .. string.format("%010d", counter) .. after
    end
else
    request = function()
        return "GET " .. path .. prefix .. step * math.random(1000) .. tail
    end
end

done = function(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests":%d,"microseconds":%d,"median":%d,"p99":%d,"failed":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
