#!/bin/bash
# Boots a systemd of its own as the first process of new namespaces, on an overlay of
# this machine's files, with the shipped unit file enabled. $1 is an empty folder,
# $2 has the programs, $3 the sources. What check.sh prints is in $1/out/log.
#
# It is called in three steps, $4: "begin" puts it into a control group of its own,
# since systemd believes that the whole hierarchy that it sees is its own; "boot"
# boots, with that group as the root; "end" removes the group, from outside.
set -euo pipefail
top=$1 bin=$2 src=$3 step=$4
mount --make-rprivate /
mkdir -p "$top/cgroups" "$top/out" "$top/layers"
groups=$top/cgroups group=rind-systemd-test-$(basename "$(dirname "$top")")
case $step in
begin)
	mount -t cgroup2 none "$groups"
	mkdir "$groups/$group"
	echo 0 >"$groups/$group/cgroup.procs"
	umount "$groups"
	exec unshare --cgroup bash "$0" "$top" "$bin" "$src" boot
	;;
end)
	mount -t cgroup2 none "$groups"
	[ ! -d "$groups/$group" ] || find "$groups/$group" -depth -type d -exec rmdir {} +
	exit
	;;
esac
mount -t tmpfs tmpfs "$top/layers"
mkdir "$top"/layers/{upper,work,root}
root=$top/layers/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$top/layers/upper,workdir=$top/layers/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/run"
mount -t cgroup2 none "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/dev"
for device in null zero full random urandom tty; do
	touch "$root/dev/$device"
	mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
mount --bind "$top/out" "$root/mnt"

mkdir -p "$root/usr/lib/rind/plugins" "$root/etc/rind/units" "$root/usr/lib/tmpfiles.d"
cp "$bin/rindc" "$bin/rindrun" "$bin/echod" "$root/usr/bin/"
cp "$bin"/rind-transport-* "$root/usr/lib/rind/plugins/"
cp "$src/dist/systemd/rindrun.service" "$root/etc/systemd/system/"
cp "$src/dist/tmpfiles.d/rind.conf" "$root/usr/lib/tmpfiles.d/"
cp "$src/examples/quickstart/echo.toml" "$root/etc/rind/units/"
cp "$src/e2e/testdata/systemd/check.sh" "$root/usr/local/bin/rind-check"
chroot "$root" rindc build /etc/rind/units -o /etc/rind/plan.json

# Nothing of this machine but what every boot needs.
units=$root/etc/systemd/system
rm -rf "$units"/*.wants
for unit in systemd-udevd systemd-networkd systemd-resolved systemd-timesyncd systemd-logind dbus; do
	ln -sf /dev/null "$units/$unit.service"
done
cat >"$units/rind-test.target" <<'X'
[Unit]
Description=The shipped unit of Rind and its check
AllowIsolate=yes
Wants=rindrun.service rind-check.service
X
cat >"$units/rind-check.service" <<'X'
[Unit]
After=rindrun.service
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/bash /usr/local/bin/rind-check
StandardOutput=append:/mnt/log
StandardError=append:/mnt/log
X
mkdir "$root/old"
cd "$root"
pivot_root . old
umount -l /old
export container=rind-test
exec /lib/systemd/systemd --system --unit=rind-test.target
