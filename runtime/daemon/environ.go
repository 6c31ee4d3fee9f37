package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/proc"
)

// private are the variables that are between the daemon and whoever started it,
// as systemd.exec(5) and sd_notify(3) list them: a service that believed them
// would speak to the wrong one. Those of descriptors are dropped by
// runtime/proc.
var private = []string{
	"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "FDSTORE", "MAINPID", "MANAGERPID", "SYSTEMD_EXEC_PID",
	"INVOCATION_ID", "JOURNAL_STREAM", "PIDFILE", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE",
	"RUNTIME_DIRECTORY", "STATE_DIRECTORY", "CACHE_DIRECTORY", "LOGS_DIRECTORY", "CONFIGURATION_DIRECTORY",
	"CREDENTIALS_DIRECTORY",
	"TRACEPARENT", "TRACESTATE", "OTEL_SERVICE_NAME", // of the daemon's own spans
}

// accessPrefix begins the variables of a trigger. Those of the daemon's own start
// are about another access.
const accessPrefix = "RIND_ACCESS_"

// personal are the variables that say who somebody is. A service with a user of
// its own does not get the daemon's.
var personal = []string{"HOME", "USER", "LOGNAME", "SHELL", "XDG_RUNTIME_DIR"}

// inherited returns what services get of the daemon's own environment.
func inherited(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(kv string) bool {
		key := keyOf(kv)
		return slices.Contains(private, key) || strings.HasPrefix(key, accessPrefix)
	})
}

func keyOf(kv string) string {
	key, _, _ := strings.Cut(kv, "=")
	return key
}

// identity is who runs a service, and what its environment says of that.
type identity struct {
	cred *proc.Credential
	home string // "" is unknown
	env  []string
}

// identify looks up who runs a service: the user that it belongs to, or the one of
// its plan. A service that belongs to a user finds the run-time directory of that
// user's session, too.
func (p *processes) identify(def *plan.Service, userName string) (identity, error) {
	who, err := lookupIdentity(cmp.Or(userName, def.User), def.Group)
	if err != nil || def.Space == nil || who.cred == nil {
		return who, err
	}
	dir := fmt.Sprintf("/run/user/%d", who.cred.UID)
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		who.env = append(who.env, "XDG_RUNTIME_DIR="+dir)
	}
	return who, nil
}

// lookupIdentity looks a user and a group up. It is done at every start: an
// entry that has changed since must not give a service the rights of the old one.
func lookupIdentity(name, group string) (identity, error) {
	cred, err := proc.LookupCredential(name, group)
	if err != nil || name == "" {
		return identity{cred: cred}, err
	}
	entry, err := user.LookupId(strconv.FormatUint(uint64(cred.UID), 10))
	if _, unknown := errors.AsType[user.UnknownUserIdError](err); unknown {
		return identity{cred: cred}, nil // a number is enough to run as
	}
	if err != nil {
		return identity{}, fmt.Errorf("user %s: %w", name, err)
	}
	env := []string{"HOME=" + entry.HomeDir, "USER=" + entry.Username, "LOGNAME=" + entry.Username}
	if shell := loginShell(entry.Username); shell != "" {
		env = append(env, "SHELL="+shell)
	}
	return identity{cred, entry.HomeDir, env}, nil
}

// loginShell returns the shell of a user in passwd(5), which os/user leaves out,
// or "": users that are elsewhere have no SHELL.
func loginShell(name string) string {
	const maxPasswd = 16 << 20
	text, err := readBounded("/etc/passwd", maxPasswd)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) == 7 && f[0] == name {
			return f[6]
		}
	}
	return ""
}

// environment is the daemon's own, then what belongs to the user, then what the
// file of the unit, the unit and the instance say.
func environment(base []string, who identity, file []string, unit map[string]string, instance []string) []string {
	env := slices.Clone(base)
	if who.cred != nil && int(who.cred.UID) != os.Geteuid() {
		env = slices.DeleteFunc(env, func(kv string) bool { return slices.Contains(personal, keyOf(kv)) })
	}
	env = append(append(env, who.env...), file...)
	for _, key := range sortedKeys(unit) {
		env = append(env, key+"="+unit[key])
	}
	return lastWins(append(env, instance...))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// lastWins drops all but the last entry of each variable: of two, getenv(3) would
// find the first.
func lastWins(env []string) []string {
	seen := map[string]bool{}
	kept := make([]string, 0, len(env))
	for _, kv := range slices.Backward(env) {
		if key := keyOf(kv); !seen[key] {
			seen[key] = true
			kept = append(kept, kv)
		}
	}
	slices.Reverse(kept)
	return kept
}
