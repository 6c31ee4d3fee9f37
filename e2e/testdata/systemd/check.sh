#!/bin/bash
# Runs under the systemd of enter.sh and prints what systemd_test.go wants to know.
ip link set lo up
show() { systemctl show -p "$1" rindrun | sed "s/^/$2: /"; }
echo_once() {
	exec 3<>/dev/tcp/127.0.0.1/7007
	echo hi >&3
	read -r -t 5 line <&3
	echo "$1: ${line%% *}"
	exec 3>&-
}

show ActiveState start
echo_once answer
find /sys/fs/cgroup/system.slice/rindrun.service -type d -name '*tcp-echo*' | wc -l | sed 's/^/service groups: /'
journalctl -q RIND_SOCKET=echo@tcp MESSAGE_ID=e870c3e1658242bc95f9e2ab0a342a24 RIND_STATE=held | wc -l | sed 's/^/journalled: /'

# A daemon that is killed is started again.
kill -9 "$(systemctl show --value -p MainPID rindrun)"
for _ in $(seq 100); do
	[ "$(systemctl show --value -p NRestarts rindrun)" = 1 ] && [ "$(systemctl is-active rindrun)" = active ] && break
	sleep 0.1
done
show NRestarts killed
show ActiveState killed
echo_once 'answer after the restart'

systemctl stop rindrun
show Result stop
show ExecMainStatus stop
find /var/sock /run/rind -type s 2>/dev/null | wc -l | sed 's/^/sockets left: /'
echo end
systemctl --force --force poweroff
