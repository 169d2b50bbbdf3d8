"""A TCP proxy on loopback whose connections can be cut, refused and delayed. Methods may be called from any thread."""
import asyncio, socket, threading


class Proxy:
    """Listens on `port`, which is free to be told to others before anything listens at the target."""

    _loop = None

    def __init__(self, target_port):
        """target_port: a function; asked for each connection, as a server may come back elsewhere."""
        self._target_port = target_port
        self._delay = 0.0
        self._refuses = False
        self._writers = set()
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        if Proxy._loop is None:
            Proxy._loop = asyncio.new_event_loop()
            threading.Thread(target=Proxy._loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, sock=listener), Proxy._loop).result()

    def cut(self):
        """All connections end at once, as when a line is cut; new ones are let through."""
        self._loop.call_soon_threadsafe(self._abort)

    def refuse(self, refuses):
        self._refuses = refuses
        if refuses:
            self.cut()

    def delay(self, seconds):
        """Each piece of data waits so long, in both directions. 0: no more."""
        self._delay = seconds

    def _abort(self):
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader, writer):
        if self._refuses:
            return writer.transport.abort()
        try:
            there, onward = await asyncio.open_connection("127.0.0.1", self._target_port())
        except OSError:
            return writer.transport.abort()
        both = {writer, onward}
        self._writers |= both
        await asyncio.gather(self._pump(reader, onward), self._pump(there, writer))
        self._writers -= both
        for each in both:
            each.close()

    async def _pump(self, reader, writer):
        try:
            while data := await reader.read(1 << 16):
                if self._delay:
                    await asyncio.sleep(self._delay)
                writer.write(data)
                await writer.drain()
            writer.write_eof()
            return
        except (OSError, RuntimeError):
            pass
        writer.transport.abort()
