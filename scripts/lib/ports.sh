# shellcheck shell=bash
# Ports for servers of scripts and tests. Sourced.

# So many ports that nothing listens on now, below the range from which the system gives ports to whoever asks for any: a server
# takes its own some seconds later, and again when it was killed.
free_ports() {
  python3 -c '
import random, socket, sys
held = []
for port in random.sample(range(20000, 32000), 1000):
    s = socket.socket()
    try: s.bind(("127.0.0.1", port))
    except OSError: continue
    held.append(s)
    if len(held) == int(sys.argv[1]): break
print(*[s.getsockname()[1] for s in held])' "$1"
}
