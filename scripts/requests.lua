-- One call again and again, for wrk: `wrk … -s scripts/requests.lua URL -- SERVICE BODY`.
function init(args)
    wrk.method = "POST"
    wrk.body = args[2]
    wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
    wrk.headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=test/20260101/ap-northeast-2/" .. args[1]
        .. "/aws4_request, SignedHeaders=host, Signature=0"
end

function done(summary, latency)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    io.write(string.format('{"requests": %d, "seconds": %f, "failed": %d, "p99_ms": %f}\n',
        summary.requests, summary.duration / 1e6, failed, latency:percentile(99) / 1e3))
end
