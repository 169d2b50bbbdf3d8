# In a Debian 13 where only the package was installed. Each line must hold.
expect() { "$@" > /tmp/out 2>&1 || { echo "failed: $*"; cat /tmp/out; exit 1; }; }

version=$(dpkg-query -W -f '${Version}' penstock)
expect test "$(penstock --version)" = "penstock $version"
expect penstock list
expect penstock help store
expect grep -q 'penstock audit' /usr/share/man/man1/penstock.1

# The user of the agents, its folders, and a configuration that nobody else may read.
expect test "$(stat -c '%U:%G %a' /var/lib/penstock)" = 'penstock:penstock 750'
expect test "$(stat -c '%U:%G %a' /etc/penstock)" = 'root:penstock 750'
expect test "$(stat -c '%U:%G %a' /etc/penstock/penstock.toml)" = 'root:penstock 640'
expect grep -qx /etc/penstock/penstock.toml /var/lib/dpkg/info/penstock.conffiles
as_agent() { setpriv --reuid penstock --regid penstock --clear-groups env PENSTOCK_CONFIG=/etc/penstock/penstock.toml HOME=/var/lib/penstock "$@"; }
expect as_agent test -r /etc/penstock/penstock.toml

# bash finds the completion by its name and loads it when it is needed.
. /usr/share/bash-completion/completions/penstock
COMP_WORDS=(penstock db "")
COMP_CWORD=2
_penstock
expect test "${COMPREPLY[*]}" = "plan apply status retention"

# zsh, typed to on a terminal of its own: Tab after "db " shows the words.
apt-get -qq -o Dpkg::Use-Pty=0 install -y zsh < /dev/null > /tmp/apt.log 2>&1 || { cat /tmp/apt.log; exit 1; }
cat > /tmp/tab.zsh << 'ZSH'
zmodload zsh/zpty
zpty shell 'TERM=dumb PS1=ready: zsh -f -i'
zpty -w shell 'autoload -U compinit; compinit -u -D'
zpty -w -n shell $'penstock db \t\t'
repeat 60 { zpty -r -t shell piece && print -rn -- $piece; sleep 0.1 }
ZSH
zsh -f /tmp/tab.zsh > /tmp/shown
for word in plan apply status retention; do expect grep -q "$word" /tmp/shown; done

# The agents run as their user: a simulated market through publisher and transformer on the broker in memory.
as_agent penstock simulate binance --port 0 --symbols BTC/USDT --rate 200 > /tmp/urls 2> /tmp/simulate.log &
simulator=$!
for _ in $(seq 100); do grep -q listening /tmp/simulate.log && break; sleep 0.1; done
expect grep listening /tmp/simulate.log
{ cat /tmp/urls; echo 'symbols = ["BTC/USDT"]'; } > /etc/penstock/penstock.toml
expect as_agent penstock up --embedded --without store --for 8 --status-file /var/lib/penstock/status.json
kill "$simulator"  # Whatever of it stays goes with this process namespace.
trades=$(sed -n 's/.*"written":{[^}]*"md\.trades":\([0-9]*\).*/\1/p' /var/lib/penstock/status.json)
expect test "${trades:-0}" -gt 0
echo "penstock $version: $trades trades went through the installed program"
