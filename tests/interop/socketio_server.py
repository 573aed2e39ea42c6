"""A room server as an ordinary Python developer writes one on python-socketio (protocol.md §3). It shares no code with ours on
purpose.

  python socketio_server.py [--port N] [--tokens a,b] [--transports polling]

Prints `listening on http://127.0.0.1:PORT/`, then a line per connection opened or lost. Namespaces: / and /notifications.

Lines on stdin, each answered by a line beginning with `done`:
  say ROOM TEXT · kick USER · emit USER EVENT JSON… · picture USER HEX · quiz USER JSON
`quiz` asks, and prints `quizzed JSON`, the list of all arguments of the answer.
The end of stdin stops the server too: it never outlives the test that started it.
"""

import argparse
import asyncio
import datetime
import json
import sys

import socketio
from aiohttp import web

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--tokens")
parser.add_argument("--transports")
flags = parser.parse_args()

transports = flags.transports.split(",") if flags.transports else None
sio = socketio.AsyncServer(async_mode="aiohttp", transports=transports)
users = {}
messages = 0


def said(user, room, content):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    return {"roomId": room, "userId": user, "content": content, "timestamp": now}


def tell(line):
    print(line, flush=True)


class Rooms(socketio.AsyncNamespace):
    async def on_connect(self, sid, environ, auth):
        token = (auth or {}).get("token")
        if not token or (flags.tokens and token not in flags.tokens.split(",")):
            raise socketio.exceptions.ConnectionRefusedError("this token is not on the list", {"code": "E_TOKEN"})
        users[(self.namespace, sid)] = token
        await self.enter_room(sid, f"user:{token}")
        tell(f"opened {token} {self.namespace}")

    async def on_disconnect(self, sid, reason):
        tell(f"lost {users.pop((self.namespace, sid), None)} {reason}")

    async def on_join_room(self, sid, data):
        if data["roomId"] == "staff":
            return {"ok": False, "code": "forbidden", "message": "staff only"}
        await self.enter_room(sid, data["roomId"])
        who = {"roomId": data["roomId"], "userId": users[(self.namespace, sid)]}
        await self.emit("user_joined", who, room=data["roomId"], skip_sid=sid)
        return {"ok": True}

    async def on_leave_room(self, sid, data):
        await self.leave_room(sid, data["roomId"])

    async def on_send_message(self, sid, data):
        global messages
        if data["content"] == "a forbidden word":
            return {"ok": False, "code": "forbidden", "message": "mind your language"}
        messages += 1
        await self.emit("message", said(users[(self.namespace, sid)], data["roomId"], data["content"]), room=data["roomId"])
        return {"ok": True, "id": f"m{messages}", "seq": messages}

    async def on_echo(self, sid, *args):
        await self.emit("echoed", args, to=sid)
        return args


for name in ["/", "/notifications"]:
    sio.register_namespace(Rooms(name))


def of(user):
    return [(namespace, sid) for (namespace, sid), name in users.items() if name == user]


async def say(room, text):
    await sio.emit("message", said("server", room, text), room=room)


async def kick(user):
    for namespace, sid in of(user):
        await sio.disconnect(sid, namespace=namespace)


async def emit(user, event, *texts):
    await sio.emit(event, tuple(json.loads(text) for text in texts), room=f"user:{user}")


async def picture(user, text):
    await sio.emit("picture", ({"of": bytes.fromhex(text)}, "x"), room=f"user:{user}")


async def quiz(user, text):
    for namespace, sid in of(user):
        answer = await sio.call("quiz", json.loads(text), to=sid, namespace=namespace)
        tell(f"quizzed {json.dumps(answer)}")


commands = {command.__name__: command for command in [say, kick, emit, picture, quiz]}


async def main():
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", flags.port)
    await site.start()
    tell(f"listening on http://127.0.0.1:{runner.addresses[0][1]}/")
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command, *words = line.decode().split()
        await commands[command](*words)
        tell(f"done {line.decode().strip()}")


asyncio.run(main())
