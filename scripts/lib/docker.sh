# shellcheck shell=bash
# A private Docker engine on Debian 13's packages, for tests: own socket, own data, own network, nothing installed on this machine.
# Sourced. Images and build caches stay in the user's cache folder for the next run; one engine at a time.
#   docker_start DIR     starts it in DIR (as root, on a Linux that lets it); the first time on a machine it makes a folder with
#                        its programs in the user's cache folder (2 minutes, 650 MB). return 77 and the reason on stderr where it
#                        cannot run here
#   docker_here ARGS…    docker, with build and compose, talking to it; sees this machine's files at their own paths
#   docker_beside CMD…   CMD of this machine in the engine's network: where its published ports are, on 127.0.0.1
#   docker_base          makes image debian:trixie where it is not there, without a registry
#   docker_stop DIR      ends the engine and all that it runs, removes DIR and the data of its containers; both end with their caller, too
# Bridges, addresses, ports and packet filters are all in a network namespace of the engine's own, which goes with it: this machine's
# are not touched, and what already runs here is in nobody's way. slirp4netns leads out of it.

. "$(dirname "${BASH_SOURCE[0]}")/mirror.sh"

docker_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/penstock
docker_programs=ca-certificates,containerd,docker-buildx,docker-cli,docker-compose,docker.io,iptables,mmdebstrap,mount,procps,slirp4netns
docker_root=$docker_cache/docker-$(sha256sum <<< "$docker_programs" | cut -c1-12)

docker_say() { printf 'docker: %s\n' "$*" >&2; }

docker_make_root() {
  [ ! -d "$docker_root" ] || return 0
  command -v mmdebstrap > /dev/null || { docker_say "mmdebstrap is missing (apt-get install mmdebstrap)"; return 77; }
  docker_say "fetching Docker from Debian 13 (once, about 2 minutes, 650 MB in $docker_root)"
  mkdir -p "$docker_cache"
  rm -rf --one-file-system "$docker_root.partial"
  mmdebstrap --quiet --variant=apt --aptopt='Apt::Install-Recommends "false"' --include="$docker_programs" trixie "$docker_root.partial" \
    "$(debian_mirror)" > "$docker_cache/docker.log" 2>&1 && mv "$docker_root.partial" "$docker_root" && return 0
  tail -3 "$docker_cache/docker.log" >&2
  docker_say "no Debian 13 folder could be made (log: $docker_cache/docker.log)"
  return 77
}

# docker_enter's address of the name server is that of slirp4netns, which asks this machine's own.
docker_start() {
  local enter="${BASH_SOURCE[0]%/*}/docker_enter"
  docker_dir=$1
  [ "$(id -u)" -eq 0 ] || { docker_say "the engine needs root"; return 77; }
  [ -c /dev/net/tun ] || { docker_say "/dev/net/tun is missing (modprobe tun)"; return 77; }
  docker_make_root || return
  mkdir -p "$docker_dir/config"
  exec {docker_lock}> "$docker_cache/docker.lock"
  flock -n "$docker_lock" || { docker_say "another one runs; waiting for it"; flock "$docker_lock"; }
  docker_dir=$(cd "$docker_dir" && pwd)
  echo '{ "builder": { "gc": { "enabled": true, "defaultKeepStorage": "4GB" } } }' > "$docker_dir/daemon.json"
  unshare --mount --net --propagation private bash "$enter" "$docker_root" 10.0.2.3 dockerd --config-file "$docker_dir/daemon.json" \
    --host "unix://$docker_dir/socket" --data-root "$docker_cache/docker-data" --exec-root "$docker_dir/exec" --pidfile "$docker_dir/pid" --cgroup-parent penstock-test \
    > "$docker_dir/log" 2>&1 < /dev/null {docker_lock}>&- &
  docker_pid=$!
  # Not before it has left this machine's network.
  while kill -0 "$docker_pid" 2> /dev/null && [ "$(readlink "/proc/$docker_pid/ns/net")" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
  unshare --mount --propagation private bash "$enter" "$docker_root" "" slirp4netns --configure --mtu 65520 --disable-host-loopback "$docker_pid" tap0 \
    > "$docker_dir/slirp.log" 2>&1 < /dev/null {docker_lock}>&- &
  docker_slirp=$!
  for _ in $(seq 300); do
    docker_here info > /dev/null 2>&1 && kill -0 "$docker_slirp" 2> /dev/null && { docker_clear; return 0; }
    kill -0 "$docker_pid" 2> /dev/null && kill -0 "$docker_slirp" 2> /dev/null || break
    sleep 0.2
  done
  grep -hv 'level=\(info\|debug\)' "$docker_dir/log" "$docker_dir/slirp.log" | tail -3 >&2
  docker_say "the engine does not start on this machine (log above)"
  return 77
}

docker_here() {
  nsenter --target "$docker_pid" --mount --wdns="$PWD" env DOCKER_HOST="unix://$docker_dir/socket" DOCKER_CONFIG="$docker_dir/config" docker "$@"
}
docker_beside() { nsenter --target "$docker_pid" --net "$@"; }

docker_base() {
  docker_here image inspect debian:trixie > /dev/null 2>&1 && return
  nsenter --target "$docker_pid" --mount --net mmdebstrap --quiet --variant=minbase trixie - "$(debian_mirror)" |
    docker_here import -c 'CMD ["bash"]' - debian:trixie > /dev/null
}

# Before, too: one that was killed leaves them.
docker_clear() {
  # shellcheck disable=SC2046
  docker_here rm -f $(docker_here ps -aq 2> /dev/null) > /dev/null 2>&1 || true
  docker_here network prune -f > /dev/null 2>&1 || true
  docker_here volume prune -af > /dev/null 2>&1 || true
  docker_here image prune -f > /dev/null 2>&1 || true
}

docker_stop() {
  local waited pid
  [ -n "${docker_pid:-}" ] || return 0
  docker_clear
  for pid in "$docker_pid" ${docker_slirp:-}; do
    kill "$pid" 2> /dev/null || true
    for waited in $(seq 150); do
      kill -0 "$pid" 2> /dev/null || break
      [ "$waited" -lt 145 ] || kill -9 "$pid" 2> /dev/null || true
      sleep 0.2
    done
    wait "$pid" 2> /dev/null || true
  done
  docker_pid='' docker_slirp=''
  # Entered, for the toolbox itself sees control groups only to read. A build that was cut off takes a moment to leave its own.
  for waited in $(seq 25); do
    unshare --mount --propagation private bash "${BASH_SOURCE[0]%/*}/docker_enter" "$docker_root" "" \
      find /sys/fs/cgroup -depth -type d -path '*/penstock-test*' -exec rmdir {} + 2> /dev/null && break
    sleep 0.2
  done
  exec {docker_lock}>&-
  rm -rf --one-file-system "$1"
}
