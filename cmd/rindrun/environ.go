package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// pluginsBelow is where packages install plugins, below their prefix.
const pluginsBelow = "lib/rind/plugins"

// systemPrefix is the prefix of the system's packages.
const systemPrefix = "/usr"

func envOr(key, fallback string) string {
	if v := os.Getenv(key); v != "" {
		return v
	}
	return fallback
}

func envList(key string, fallback []string) []string {
	if v := os.Getenv(key); v != "" {
		return slices.DeleteFunc(filepath.SplitList(v), func(s string) bool { return s == "" })
	}
	return fallback
}

// defaultRuntimeDir is /run/rind for root, and below the user's own runtime
// directory for everybody else.
func defaultRuntimeDir() string {
	if os.Getuid() != 0 {
		if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
			return filepath.Join(dir, "rind")
		}
	}
	return "/run/rind"
}

// stateDirOf is /var/lib/rind for root, and for everybody else where the XDG Base
// Directory Specification has the state of a user's programs.
func stateDirOf(uid int) string {
	if uid != 0 {
		if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) { // it says to ignore others
			return filepath.Join(dir, "rind")
		}
		if home := os.Getenv("HOME"); home != "" {
			return filepath.Join(home, ".local/state/rind")
		}
	}
	return "/var/lib/rind"
}

// defaultPluginDirs is beside this program, then where its own prefix and the
// system have plugins.
func defaultPluginDirs() []string {
	var dirs []string
	if exe, err := os.Executable(); err == nil {
		bin := filepath.Dir(exe)
		dirs = append(dirs, bin, filepath.Join(filepath.Dir(bin), pluginsBelow))
	}
	if system := filepath.Join(systemPrefix, pluginsBelow); !slices.Contains(dirs, system) {
		dirs = append(dirs, system)
	}
	return dirs
}

// notifyTimeout bounds the message to a service manager that does not read.
const notifyTimeout = 5 * time.Second

// reloading is the message that a reload begins: with the time of it, by which a
// service manager tells it from others, it is that of Type=notify-reload.
func reloading() string {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return "RELOADING=1" // for Type=notify that is all
	}
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/int64(time.Microsecond))
}

// notify sends a message to the socket of a service manager, sd_notify(3); an
// empty address is none. A name that begins with @ is an abstract one.
func notify(address, message string) error {
	if address == "" {
		return nil
	}
	if !strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "@") {
		return fmt.Errorf("NOTIFY_SOCKET %q: want an absolute path or @name", address)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: address})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(notifyTimeout)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(message))
	return err
}
