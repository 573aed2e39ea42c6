"""A member of a room as an ordinary Python developer writes one on python-socketio.

  python socketio_client.py URL USER ROOM [NAMESPACE]

Prints a JSON line for each event: {"event": NAME, "args": […]}, for the answers to its join and its messages
{"answer": …}, and {"refused": …} when it is not let in. Each line on stdin is said in the room. The end of stdin is its end.
"""

import asyncio
import json
import sys

import socketio

url, user, room, namespace = [*sys.argv[1:], "/"][:4]
client = socketio.AsyncClient(reconnection_delay=0.1, reconnection_delay_max=0.5)


def tell(**line):
    print(json.dumps(line), flush=True)


@client.on("connect", namespace=namespace)
async def connected():
    tell(answer=await client.call("join_room", {"roomId": room}, namespace=namespace))


@client.on("*", namespace=namespace)
async def event(name, *args):
    tell(event=name, args=args)


@client.on("disconnect", namespace=namespace)
async def disconnected(reason):
    tell(event="disconnect", args=[reason])


async def main():
    try:
        await client.connect(url, auth={"token": user}, namespaces=[namespace], wait_timeout=20)
    except socketio.exceptions.ConnectionError as error:
        return tell(refused=str(error))
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        said = {"roomId": room, "content": line.decode().strip()}
        tell(answer=await client.call("send_message", said, namespace=namespace, timeout=20))
    await client.disconnect()


asyncio.run(main())
