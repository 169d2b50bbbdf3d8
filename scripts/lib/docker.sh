# shellcheck shell=bash
# A private Docker engine on Debian 13's packages, for tests: own socket, own data, nothing installed on this machine. Sourced.
# Images and build caches stay in the user's cache folder for the next run; one engine at a time.
#   docker_start DIR   starts it in DIR (as root, on a Linux that lets it); the first time on a machine it makes a folder with
#                      its programs in the user's cache folder (2 minutes, 500 MB). return 77 and the reason on stderr where it
#                      cannot run here
#   docker_here ARGS…  docker, with build and compose, talking to it; sees this machine's files at their own paths
#   docker_base        makes image debian:trixie where it is not there, without a registry
#   docker_stop DIR    ends the engine and all that it runs, removes DIR and the data of its containers
# It adds chains to the machine's iptables, as every Docker does; those of its own networks go with them.

. "$(dirname "${BASH_SOURCE[0]}")/mirror.sh"

docker_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/penstock
docker_programs=ca-certificates,containerd,docker-buildx,docker-cli,docker-compose,docker.io,iptables,mount,procps
docker_root=$docker_cache/docker-$(sha256sum <<< "$docker_programs" | cut -c1-12)

docker_say() { printf 'docker: %s\n' "$*" >&2; }

docker_make_root() {
  [ ! -d "$docker_root" ] || return 0
  docker_say "fetching Docker from Debian 13 (once, about 2 minutes, 500 MB in $docker_root)"
  mkdir -p "$docker_cache"
  rm -rf --one-file-system "$docker_root.partial"
  mmdebstrap --quiet --variant=apt --aptopt='Apt::Install-Recommends "false"' --include="$docker_programs" trixie "$docker_root.partial" \
    "$(debian_mirror)" > "$docker_cache/docker.log" 2>&1 && mv "$docker_root.partial" "$docker_root" && return 0
  tail -3 "$docker_cache/docker.log" >&2
  docker_say "no Debian 13 folder could be made (log: $docker_cache/docker.log)"
  return 77
}

docker_start() {
  docker_dir=$1
  [ "$(id -u)" -eq 0 ] || { docker_say "the engine needs root"; return 77; }
  command -v mmdebstrap > /dev/null || { docker_say "mmdebstrap is missing (apt-get install mmdebstrap)"; return 77; }
  docker_make_root || return
  mkdir -p "$docker_dir/config"
  exec {docker_lock}> "$docker_cache/docker.lock"
  flock -n "$docker_lock" || { docker_say "another one runs; waiting for it"; flock "$docker_lock"; }
  docker_dir=$(cd "$docker_dir" && pwd)
  echo '{}' > "$docker_dir/daemon.json"
  unshare --mount --propagation private bash "${BASH_SOURCE[0]%/*}/docker_enter" "$docker_root" dockerd --config-file "$docker_dir/daemon.json" \
    --host "unix://$docker_dir/socket" --data-root "$docker_cache/docker-data" --exec-root "$docker_dir/exec" --pidfile "$docker_dir/pid" \
    > "$docker_dir/log" 2>&1 < /dev/null {docker_lock}>&- &
  docker_pid=$!
  for _ in $(seq 300); do
    docker_here info > /dev/null 2>&1 && return 0
    kill -0 "$docker_pid" 2> /dev/null || break
    sleep 0.2
  done
  grep -v 'level=\(info\|debug\)' "$docker_dir/log" | tail -3 >&2
  docker_say "the engine does not start on this machine (log above)"
  return 77
}

docker_here() {
  nsenter --target "$docker_pid" --mount --wdns="$PWD" env DOCKER_HOST="unix://$docker_dir/socket" DOCKER_CONFIG="$docker_dir/config" docker "$@"
}

docker_base() {
  docker_here image inspect debian:trixie > /dev/null 2>&1 && return
  mmdebstrap --quiet --variant=minbase trixie - "$(debian_mirror)" | docker_here import -c 'CMD ["bash"]' - debian:trixie > /dev/null
}

docker_stop() {
  local waited
  [ -n "${docker_pid:-}" ] || return 0
  # shellcheck disable=SC2046
  docker_here rm -f $(docker_here ps -aq 2> /dev/null) > /dev/null 2>&1 || true
  docker_here network prune -f > /dev/null 2>&1 || true
  docker_here volume prune -af > /dev/null 2>&1 || true
  kill "$docker_pid" 2> /dev/null || true
  for waited in $(seq 150); do
    kill -0 "$docker_pid" 2> /dev/null || break
    [ "$waited" -lt 145 ] || kill -9 "$docker_pid" 2> /dev/null || true
    sleep 0.2
  done
  wait "$docker_pid" 2> /dev/null || true
  docker_pid=
  exec {docker_lock}>&-
  rm -rf --one-file-system "$1"
}
