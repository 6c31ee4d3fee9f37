package unit

import (
	"math"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/rind-sockets/rind/grammar"
)

var outputs = []string{"log", "inherit", "null"}

// Tables inside services.
var (
	RunTable = Table{Name: "run", Doc: "one process of a service", Fields: []Field{
		{
			Key: "exec", Type: TypeString, NonEmpty: true, Into: into(func(r *Run) *String { return &r.Exec }),
			Doc: "the program: an absolute path, or a name to look up in PATH",
		},
		{
			Key: "args", Type: TypeList, Into: into(func(r *Run) *List { return &r.Args }),
			Doc: "its arguments",
		},
		{
			Key: "env", Type: TypeEnv, Into: into(func(r *Run) *[]EnvVar { return &r.Env }),
			Doc: "its environment variables",
		},
		{
			Key: "variable", Type: TypeString, NonEmpty: true, Into: into(func(r *Run) *String { return &r.Variable }),
			Doc: "instead of `exec`: the variable that has a table of the other keys",
		},
	}}

	RestartTable = Table{Name: "restart", Doc: "when to start a service again after a failure", Fields: []Field{
		{
			Key: "max_retries", Type: TypeInt, Required: true, Max: math.MaxInt32, Into: into(func(r *Restart) *Int { return &r.MaxRetries }),
			Doc: "how many times, at least 0",
		},
		{
			Key: "backoff", Type: TypeDuration, Default: `"100ms"`, Min: 1, Max: int64(24 * time.Hour), Into: into(func(r *Restart) *Duration { return &r.Backoff }),
			Doc: "the first delay; every further one is twice as long",
		},
		{
			Key: "max-backoff", Type: TypeDuration, Default: `"30s"`, Min: 1, Max: int64(24 * time.Hour), Into: into(func(r *Restart) *Duration { return &r.MaxBackoff }),
			Doc: "the longest delay",
		},
		{
			Key: "reset-after", Type: TypeDuration, Default: `"60s"`, Min: 1, Max: int64(24 * time.Hour), Into: into(func(r *Restart) *Duration { return &r.ResetAfter }),
			Doc: "how long it must stay up for its failures to be forgotten",
		},
	}}

	ResourceLimitsTable = Table{Name: "limits", Doc: "resource limits of a service, see setrlimit(2)", Fields: resourceFields()}

	ResourceTable = Table{Name: "limit", Doc: "both values of a resource limit", Fields: []Field{
		{
			Key: "soft", Type: TypeInt, Required: true, Max: math.MaxInt64, Into: into(func(l *ResourceLimit) *Int { return &l.Soft }),
			Doc: "what is enforced",
		},
		{
			Key: "hard", Type: TypeInt, Required: true, Max: math.MaxInt64, Into: into(func(l *ResourceLimit) *Int { return &l.Hard }),
			Doc: "up to where the service may raise it",
		},
	}}

	SpaceTable = Table{Name: "space", Doc: "the user that a service belongs to", Fields: []Field{
		{
			Key: "user", Type: TypeString, Required: true, NonEmpty: true, Into: into(func(s *Space) *String { return &s.User }),
			Doc: "the user, by name or id",
		},
	}}

	UserSourceTable = Table{Name: "user-source", Doc: "where the name of a user comes from", Fields: []Field{
		{
			Key: "state", Type: TypeString, Required: true, Into: into(func(u *UserSource) *String { return &u.State }),
			Doc: "the json state",
		},
		{
			Key: "username-field", Type: TypeString, Default: `"username"`, NonEmpty: true, Into: into(func(u *UserSource) *String { return &u.Field }),
			Doc: "the field of its payload that has the name",
		},
		{
			Key: "match-branch-key", Type: TypeString, NonEmpty: true, Into: into(func(u *UserSource) *String { return &u.BranchKey }),
			Doc: "with `branching`: the key that the branch of both states has in common",
		},
	}}

	StopTable = Table{Name: "stop", Doc: "how a service is stopped", Fields: []Field{
		{
			Key: "signal", Type: TypeString, Default: `"SIGTERM"`, Values: Signals, Into: into(func(s *Stop) *String { return &s.Signal }),
			Doc: "the signal that asks it to end",
		},
		{
			Key: "timeout", Type: TypeDuration, Default: `"5s"`, Max: int64(24 * time.Hour), Into: into(func(s *Stop) *Duration { return &s.Timeout }),
			Doc: "the time until its process group gets SIGKILL",
		},
	}}

	WatchdogTable = Table{Name: "watchdog", Doc: "what to do with a service that falls silent", Fields: []Field{
		{
			Key: "interval", Type: TypeDuration, Required: true, Min: 1, Max: int64(24 * time.Hour), Into: into(func(w *Watchdog) *Duration { return &w.Interval }),
			Doc: "how often it must say WATCHDOG=1 by sd_notify(3)",
		},
		{
			Key: "grace", Type: TypeDuration, Default: `"15s"`, Max: int64(24 * time.Hour), Into: into(func(w *Watchdog) *Duration { return &w.Grace }),
			Doc: "how much later that may come",
		},
		{
			Key: "action", Type: TypeString, Default: `"restart"`, Values: []string{"restart", "stop", "signal"}, Into: into(func(w *Watchdog) *String { return &w.Action }),
			Doc: "restart it, stop it, or send it SIGABRT",
		},
	}}

	BranchingTable = Table{Name: "branching", Doc: "one instance of a service for each branch of a state", Fields: []Field{
		{
			Key: "source-state", Type: TypeString, Required: true, Into: into(func(b *Branching) *String { return &b.State }),
			Doc: "the state",
		},
		{
			Key: "key", Type: TypeString, Default: `"id"`, NonEmpty: true, Into: into(func(b *Branching) *String { return &b.Key }),
			Doc: "the branch key that names the instance",
		},
		{
			Key: "max-instances", Type: TypeInt, Min: 1, Max: math.MaxInt32, Into: into(func(b *Branching) *Int { return &b.MaxInstances }),
			Doc: "how many instances there may be",
		},
		{
			Key: "enabled", Type: TypeBool, Default: "true", Into: into(func(b *Branching) *Bool { return &b.Enabled }),
			Doc: "`false`: as if `branching` was not there",
		},
	}}

	OutputTable = Table{Name: "output", Doc: "a file for the output of a service", Fields: []Field{
		{
			Key: "file", Type: TypeString, Required: true, Check: checkPath, Into: into(func(o *Output) *String { return &o.File }),
			Doc: "an absolute path; what is there stays, output is added at the end",
		},
	}}
)

// Infinity is the value of a resource limit that is none.
const Infinity = -1

// Resources lists the resources of setrlimit(2) that have a limit on Linux.
var Resources = [...]struct{ Name, Doc string }{
	{"as", "bytes of address space"},
	{"core", "bytes of a core dump"},
	{"cpu", "seconds of processor time"},
	{"data", "bytes of data segment"},
	{"fsize", "bytes of a file"},
	{"memlock", "bytes of locked memory"},
	{"msgqueue", "bytes of message queues"},
	{"nice", "20 minus the lowest nice value"},
	{"nofile", "file descriptors"},
	{"nproc", "processes of the user"},
	{"rtprio", "real-time priority"},
	{"rttime", "microseconds of real-time without a blocking call"},
	{"sigpending", "queued signals of the user"},
	{"stack", "bytes of stack"},
}

func resourceFields() []Field {
	var rows []Field
	for i, r := range Resources {
		rows = append(rows, Field{
			Key: r.Name, Type: TypeResource, Doc: r.Doc,
			Into: into(func(l *ResourceLimits) *ResourceLimit { return &l.Limits[i] }),
		})
	}
	return rows
}

// Signals lists the signals that may ask a service to end.
var Signals = []string{
	"SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGABRT", "SIGALRM", "SIGPWR", "SIGWINCH", "SIGCONT", "SIGKILL",
}

// Capabilities lists the capabilities of capabilities(7), in the order of the
// kernel's numbers.
var Capabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
	"CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
	"CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
	"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
	"CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// checkUmask checks an octal number of up to 9 bits.
func checkUmask(s string) *grammar.Error {
	if n, err := strconv.ParseUint(s, 8, 16); err != nil || n > 0o777 || len(s) > 4 {
		return &grammar.Error{To: len(s), Message: "a umask is an octal number from 0000 to 0777", Help: "write it as `\"0022\"`"}
	}
	return nil
}

// decimal is what an integer means where a name or an id is wanted.
func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// port is what an integer means where an endpoint is wanted.
func port(n int64) string { return ":" + strconv.FormatInt(n, 10) }

// checkPath checks the path of a file.
func checkPath(s string) *grammar.Error {
	switch {
	case !path.IsAbs(s):
		return &grammar.Error{To: len(s), Message: "a path must be absolute", Help: "write it from `/` on: the daemon's working directory is not known"}
	case strings.ContainsRune(s, 0):
		return &grammar.Error{To: len(s), Message: "a path has no NUL byte", Help: "remove the byte"}
	case strings.HasSuffix(s, "/"):
		return &grammar.Error{To: len(s), Message: "a file is wanted, not a directory", Help: "add the name of the file"}
	}
	return nil
}
