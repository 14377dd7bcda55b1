"""Stands between moto's tests and a sandbox: answers moto's own reset address by resetting the sandbox, and with
`--queue-policies` gives each queue that is created a policy that lets topics send. All else passes byte for byte."""

import argparse
import json
import re

import aiohttp
from aiohttp import web
from yarl import URL

# Of one connection, not of the request.
HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "accept-encoding"}
SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/")


class Shim:
    def __init__(self, upstream, queue_policies):
        self.upstream, self.queue_policies, self.session = upstream, queue_policies, None

    async def start(self, _app):
        self.session = aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=40))

    async def stop(self, _app):
        await self.session.close()

    async def handle(self, request):
        if request.raw_path.startswith("/moto-api"):
            reset = request.raw_path == "/moto-api/reset"
            if reset:
                async with self.session.post(f"{self.upstream}/_scaleproof/reset") as answer:
                    await answer.read()
            return web.json_response({"status": "ok"}, status=200 if reset else 404)
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP]
        url, body = URL(self.upstream + request.raw_path, encoded=True), await request.read()
        async with self.session.request(request.method, url, headers=headers, data=body or None, allow_redirects=False) as answer:
            content, status = await answer.read(), answer.status
            back = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP]
        if self.queue_policies and status == 200 and request.headers.get("x-amz-target") == "AmazonSQS.CreateQueue":
            await self.open_queue(json.loads(content)["QueueUrl"], headers)
        response = web.Response(status=status, body=content)
        response.headers.popall("Content-Type", None)
        for name, value in back:
            response.headers.add(name, value)
        return response

    async def open_queue(self, url, headers):
        account, name = url.rsplit("/", 2)[1:]
        region = SCOPE.search(dict(headers).get("Authorization", ""))
        arn = f"arn:aws:sqs:{region.group(1) if region else 'us-east-1'}:{account}:{name}"
        allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
        attributes = {"Policy": json.dumps({"Statement": [allow]})}
        others = [(name, value) for name, value in headers if name.lower() != "x-amz-target"]
        call = {"headers": [*others, ("X-Amz-Target", "AmazonSQS.SetQueueAttributes")]}
        async with self.session.post(self.upstream + "/", json={"QueueUrl": url, "Attributes": attributes}, **call) as answer:
            await answer.read()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--upstream", required=True)
    arguments.add_argument("--queue-policies", action="store_true")
    chosen = arguments.parse_args()
    shim = Shim(chosen.upstream, chosen.queue_policies)
    app = web.Application(client_max_size=256 * 2**20)
    app.on_startup.append(shim.start)
    app.on_cleanup.append(shim.stop)
    app.router.add_route("*", "/{tail:.*}", shim.handle)
    web.run_app(app, host="127.0.0.1", port=chosen.port, print=None, access_log=None)
