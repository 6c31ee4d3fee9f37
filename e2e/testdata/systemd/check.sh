#!/bin/bash
# Runs under the systemd of enter.sh and prints what systemd_test.go wants to know.
ip link set lo up
daemon() { systemctl show --value -p MainPID rindrun; }
# owner prints the process that serves echo@tcp.
owner() { cat $(find /sys/fs/cgroup/system.slice/rindrun.service -path '*tcp-echo*' -name cgroup.procs) | head -n 1; }
show() { systemctl show -p "$1" rindrun | sed "s/^/$2: /"; }
echo_once() {
	exec 3<>"/dev/tcp/127.0.0.1/${2:-7007}"
	echo hi >&3
	read -r -t 5 line <&3
	echo "$1: ${line%% *}"
	exec 3>&-
}

show ActiveState start
echo_once answer
find /sys/fs/cgroup/system.slice/rindrun.service -type d -name '*tcp-echo*' | wc -l | sed 's/^/service groups: /'
journalctl -q RIND_SOCKET=echo@tcp MESSAGE_ID=e870c3e1658242bc95f9e2ab0a342a24 RIND_STATE=held | wc -l | sed 's/^/journalled: /'

# A reload adds a socket, and leaves the daemon and the service alone.
before=$(daemon) served=$(owner)
cat >/etc/rind/units/more.toml <<'X'
[[socket]]
name = "tcp"
type = "tcp"
listen = "127.0.0.1:7008"
owner = "tcp-echo"
lifecycle = "owned"
[[service]]
name = "tcp-echo"
run.exec = "echod"
X
rindc build /etc/rind/units -o /etc/rind/plan.json
systemctl reload rindrun
echo "reload: status $?"
[ "$before" = "$(daemon)" ] && echo 'reload: the same daemon'
[ -n "$served" ] && kill -0 "$served" && echo 'reload: the same service'
show ActiveState reload
echo_once 'answer of a new socket' 7008

# One that cannot be is told at once, and changes nothing.
cp /etc/rind/plan.json /etc/rind/good.json
echo '{' >/etc/rind/plan.json
SECONDS=0
systemctl reload rindrun
echo "bad reload: status $?"
[ $SECONDS -lt 30 ] && echo 'bad reload: told at once'
show ActiveState 'bad reload'
echo_once 'answer after a bad reload'
journalctl -q -u rindrun | grep -q 'load /etc/rind/plan.json' && echo 'bad reload in the journal: yes'
cp /etc/rind/good.json /etc/rind/plan.json

# A daemon that is killed is started again. systemd takes its services along.
served=$(owner)
kill -9 "$(daemon)"
for _ in $(seq 100); do
	[ "$(systemctl show --value -p NRestarts rindrun)" = 1 ] && [ "$(systemctl is-active rindrun)" = active ] && break
	sleep 0.1
done
show NRestarts killed
show ActiveState killed
[ -n "$served" ] && ! kill -0 "$served" 2>/dev/null && echo 'killed: no service is left'
echo_once 'answer after the crash'

before=$(daemon) served=$(owner)
systemctl restart rindrun
echo "restart: status $?"
[ "$before" != "$(daemon)" ] && echo 'restart: another daemon'
[ -n "$served" ] && ! kill -0 "$served" 2>/dev/null && echo 'restart: no service is left'
echo_once 'answer after the restart'

systemctl stop rindrun
show Result stop
show ExecMainStatus stop
find /var/sock /run/rind -type s 2>/dev/null | wc -l | sed 's/^/sockets left: /'
echo end
systemctl --force --force poweroff
