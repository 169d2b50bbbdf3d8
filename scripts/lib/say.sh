# For scripts: what is going on, on stderr, with the time since the start. Sourced.
say() { printf '%s%4ds%s %s\n' "${bold-}" "$SECONDS" "${plain-}" "$*" >&2; }
die() { say "$*"; exit 1; }
if [ -t 2 ]; then bold=$'\e[1m' plain=$'\e[0m'; fi
