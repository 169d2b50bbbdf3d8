# shellcheck shell=bash
# The Debian mirror that this machine's own apt sources name; Debian's own where those are of another system. Sourced.
#   debian_mirror      prints it
debian_mirror() {
  local own=""
  if command -v apt-get >/dev/null; then
    own=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(COMPONENT)' 2>/dev/null |
      awk '$2 == "Debian" && $3 == "main" && $1 !~ /security/ { print $1; exit }')
    [ -n "$own" ] || own=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null |
      awk '/^URIs:/ { print $2; exit } /^deb .*debian/ { for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) { print $i; exit } }')
  fi
  printf '%s' "${own:-http://deb.debian.org/debian}"
}
