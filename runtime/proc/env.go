package proc

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The variables of the descriptor protocol: sd_listen_fds(3), and those of Rind.
// The first two have values that only the new process knows.
const (
	envPID        = "LISTEN_PID"
	envPIDFDID    = "LISTEN_PIDFDID"
	envFDs        = "LISTEN_FDS"
	envFDNames    = "LISTEN_FDNAMES"
	envRindFDs    = "RIND_SOCKET_FDS"
	envRindCount  = "RIND_SOCKET_COUNT"
	envRindNames  = "RIND_SOCKET_NAMES"
	maxUint64Text = len("18446744073709551615")
)

// withoutSocketEnv returns a copy of env without any variable of the protocol, or
// of others: a daemon that was itself activated must not pass its own on.
func withoutSocketEnv(env, others []string) []string {
	var out []string
	for _, kv := range env {
		key, _, _ := strings.Cut(kv, "=")
		switch key {
		case envPID, envPIDFDID, envFDs, envFDNames, envRindFDs, envRindCount, envRindNames:
		default:
			if !slices.Contains(others, key) {
				out = append(out, kv)
			}
		}
	}
	return out
}

// socketEnv returns the variables that tell a service about files, all but
// LISTEN_PID and LISTEN_PIDFDID.
func socketEnv(files []File) []string {
	if len(files) == 0 {
		return nil
	}
	var all, nums, names []string
	for i, f := range files {
		all = append(all, f.Name)
		if !f.Stored {
			nums = append(nums, strconv.Itoa(firstFile+i))
			names = append(names, f.Name)
		}
	}
	env := []string{envFDs + "=" + strconv.Itoa(len(files)), envFDNames + "=" + strings.Join(all, ":")}
	if len(names) == 0 {
		return env
	}
	return append(env,
		envRindFDs+"="+strings.Join(nums, ","),
		envRindCount+"="+strconv.Itoa(len(names)),
		envRindNames+"="+strings.Join(names, ":"),
	)
}

// ownPidfdInode returns the inode of a pidfd of this process, and false if the
// kernel's pidfds have no inodes of their own: before 6.9 they all share one
// anonymous inode, which identifies nothing.
func ownPidfdInode() (uint64, bool) {
	fd, err := unix.PidfdOpen(unix.Getpid(), 0)
	if err != nil {
		return 0, false
	}
	defer func() { _ = unix.Close(fd) }()
	var fs unix.Statfs_t
	var st unix.Stat_t
	if unix.Fstatfs(fd, &fs) != nil || fs.Type != unix.PID_FS_MAGIC || unix.Fstat(fd, &st) != nil {
		return 0, false
	}
	return st.Ino, true
}

// identityEnv returns the variables that name this very process, for a launcher
// that is about to become the service.
func identityEnv(j *job) []string {
	var env []string
	for _, name := range j.pidVariables() {
		env = append(env, name+"="+strconv.Itoa(unix.Getpid()))
	}
	if len(j.Files) == 0 {
		return env
	}
	if ino, ok := ownPidfdInode(); ok {
		env = append(env, envPIDFDID+"="+strconv.FormatUint(ino, 10))
	}
	return env
}

// pidVariables are the variables that have the pid of the service.
func (j *job) pidVariables() []string {
	names := slices.Clone(j.PIDEnv)
	if len(j.Files) > 0 {
		names = append(names, envPID)
	}
	return names
}
