// Package plan has the compiled plan: the only thing that passes from rindc to
// rindrun. It is plain data with a canonical encoding, a digest, validation and
// nothing else; every address in it is full, every condition a typed tree.
package plan

import (
	"cmp"
	"fmt"
	"time"

	"github.com/rind-sockets/rind/plan/cond"
)

// Format is what the first key of every plan says.
const Format = "rind.plan"

// Version is the major version of the plan format. A program refuses a plan of
// another major version; a minor version only adds.
const (
	Version = 1
	Minor   = 1
)

// Name is the full address of a definition: group@name.
type Name string

// Plan is one compiled set of unit files. Its lists are sorted by name, except
// Sources, which are sorted by file.
type Plan struct {
	Compiler string   // name and version of the compiler
	Digest   string   // "sha256:" and the hex digest of the canonical encoding
	Requires []string // what a program must have to run it, see [Features]

	Sources     []Source
	Transports  []Transport
	Permissions []Permission
	States      []State
	Signals     []Signal
	Timers      []Timer
	Variables   []Variable
	Services    []Service
	Sockets     []Socket
}

// Source is one unit file. It carries the lines of its units, so that the units
// themselves do not change when a line is added above them.
type Source struct {
	File   string         `json:"file"`   // relative to the units root, slashes; "-" is standard input
	SHA256 string         `json:"sha256"` // hex
	Units  map[string]int `json:"units"`  // "socket web@http" to its line
}

// Transport is a socket type that the plan uses.
type Transport struct {
	Name     string `json:"name"`
	Plugin   string `json:"plugin,omitempty"` // that binds the type; empty: the one of the same name
	Version  string `json:"version"`
	Manifest string `json:"manifest"` // "sha256:" and hex, of the manifest that options were checked against

	// Of a transport that does not come with this release, what its sockets look
	// like to the kernel, and the checksums ("sha256:" and hex) of its executable by
	// platform: "linux-amd64", or [AnyPlatform].
	Shape     *Shape            `json:"shape,omitempty"`
	Checksums map[string]string `json:"checksums,omitempty"`
}

// AnyPlatform is the platform of an executable that is no machine code.
const AnyPlatform = "any"

// Shape is what every socket of a transport looks like to the kernel, in the
// numbers of Linux. A Domain or Type of 0 depends on the address or the options,
// and so does the protocol when there are no Protocols.
type Shape struct {
	Domain    uint32   `json:"domain,omitempty"`
	Type      uint32   `json:"type,omitempty"`
	Protocols []uint32 `json:"protocols,omitempty"`
	Listening bool     `json:"listening,omitempty"` // the host calls listen(2), unless the type is one of datagrams
}

// PluginName returns the name of the plugin that binds the type.
func (t *Transport) PluginName() string { return cmp.Or(t.Plugin, t.Name) }

// Checksum returns the checksum that the executable must have on a platform;
// empty is any. Not ok means that the plan has checksums, and none for it.
func (t *Transport) Checksum(platform string) (sum string, ok bool) {
	if len(t.Checksums) == 0 {
		return "", true
	}
	if sum, ok = t.Checksums[platform]; !ok {
		sum, ok = t.Checksums[AnyPlatform]
	}
	return sum, ok
}

// Permission is one named permission.
type Permission struct {
	Name   Name     `json:"name"`
	ID     uint16   `json:"id"`
	Links  []uint16 `json:"links,omitempty"` // holding one of these implies this one
	Users  []string `json:"users,omitempty"`
	Groups []string `json:"groups,omitempty"`

	// Grant is what was changed at run time, see [Plan.WithGrants]; it is in no file.
	Grant Grant `json:"-"`
}

// AnyPermission is the id of the permission that everybody holds.
const AnyPermission uint16 = 0

// State is one long-lived, typed fact.
type State struct {
	Name        Name        `json:"name"`
	Payload     cond.Kind   `json:"payload"`
	Branch      []BranchKey `json:"branch,omitempty"` // json only; empty means the key "id" for json states
	Impermanent bool        `json:"impermanent,omitempty"`
	Builtin     bool        `json:"builtin,omitempty"`

	// After sets the state while it holds. ActivateOnNone sets it while none of
	// these states is there. AutoPayload is where the payload comes from then;
	// without it, After takes that of the state that the condition found.
	After          *cond.Expr   `json:"after,omitempty"`
	ActivateOnNone []Absence    `json:"activate_on_none,omitempty"`
	AutoPayload    *AutoPayload `json:"auto_payload,omitempty"`

	Permissions []uint16 `json:"permissions,omitempty"` // any of; absent: whoever may manage everything
}

// Absence is a state that must not be there: with a Branch, no branch of it that
// has the same value in that field as the payload of the state that lists it.
type Absence struct {
	State  Name   `json:"state"`
	Branch string `json:"branch,omitempty"`
}

// AutoPayload makes a payload: the output of Eval, or the value of Variable.
// Insert has the keys of the json payload that get the value, or its lines; the
// single key "root" means that the value is the payload. With Many, every line
// or element is a branch.
type AutoPayload struct {
	Eval     string   `json:"eval,omitempty"`
	Args     []string `json:"args,omitempty"`
	Variable string   `json:"variable,omitempty"`
	Insert   []string `json:"insert,omitempty"`
	Many     bool     `json:"many,omitempty"`
	Timeout  Duration `json:"timeout,omitzero"` // of Eval
}

// BranchKey is one field that tells the branches of a json state apart. Source
// is the field of the payload a derived state takes it from.
type BranchKey struct {
	Target string `json:"target"`
	Source string `json:"source,omitempty"` // empty: same as Target
}

// Signal is one one-shot, typed event.
type Signal struct {
	Name    Name      `json:"name"`
	Payload cond.Kind `json:"payload"`
	Builtin bool      `json:"builtin,omitempty"`

	// After emits the signal, with the payload of what matched; with Branch, with
	// these fields of it.
	After  *cond.Expr  `json:"after,omitempty"`
	Branch []BranchKey `json:"branch,omitempty"`

	Permissions []uint16 `json:"permissions,omitempty"` // any of; absent: whoever may manage everything
}

// Timer runs Finish some time after its start. It starts when one of the
// services After is active, and stops when one of them is gone.
type Timer struct {
	Name     Name     `json:"name"`
	Duration Duration `json:"duration"`
	After    []Name   `json:"after,omitempty"`
	Repeat   bool     `json:"repeat,omitempty"`
	Finish   []Action `json:"finish,omitempty"`
}

// Variable is a value that an environment variable of rindrun overrides, as text
// of the type that Default has; of a string without Default. Its name has no
// group.
type Variable struct {
	Name    string      `json:"name"`
	Default *cond.Value `json:"default,omitempty"` // string or json
	Env     string      `json:"env,omitempty"`
}

// Restart is what happens when a service exits by itself.
type Restart struct {
	Always     bool `json:"always,omitempty"`
	MaxRetries int  `json:"max_retries,omitempty"` // only on failure; 0: never

	// The first delay, the longest one, and how long the service must be up for
	// its failures to be forgotten. 0 means [RestartDelay], [MaxRestartDelay] and
	// [ForgiveAfter].
	Backoff    Duration `json:"backoff,omitzero"`
	MaxBackoff Duration `json:"max_backoff,omitzero"`
	ResetAfter Duration `json:"reset_after,omitzero"`
}

// Service is one program, or several that run together.
type Service struct {
	Name       Name       `json:"name"`
	Run        []Command  `json:"run"`
	StartOn    *cond.Expr `json:"start_on,omitempty"`
	StopOn     *cond.Expr `json:"stop_on,omitempty"`
	OnStart    []Action   `json:"on_start,omitempty"`
	OnStop     []Action   `json:"on_stop,omitempty"`
	Restart    Restart    `json:"restart,omitzero"`
	User       string     `json:"user,omitempty"` // name or decimal id; empty: the daemon's
	Group      string     `json:"group,omitempty"`
	WorkingDir string     `json:"working_dir,omitempty"`

	After     []Name     `json:"after,omitempty"`      // services that must be active first
	ManagedBy []uint16   `json:"managed_by,omitempty"` // any of
	Notify    bool       `json:"notify,omitempty"`     // active only with READY=1, see sd_notify(3)
	Stop      Stop       `json:"stop,omitzero"`
	Watchdog  *Watchdog  `json:"watchdog,omitempty"`
	Multiple  bool       `json:"multiple,omitempty"` // singleton = false: every start is another instance
	Branching *Branching `json:"branching,omitempty"`
	Space     *Space     `json:"space,omitempty"` // nil: the system

	Umask           string           `json:"umask,omitempty"` // octal
	EnvFile         string           `json:"env_file,omitempty"`
	Limits          map[string]Limit `json:"limits,omitempty"` // by resource of setrlimit(2): "nofile"
	NoNewPrivileges bool             `json:"no_new_privileges,omitempty"`
	Capabilities    []string         `json:"capabilities,omitzero"` // nil: those of the user; empty: none
	Stdout          Output           `json:"stdout,omitzero"`
	Stderr          Output           `json:"stderr,omitzero"`
}

// Command is one process of a service: Exec, or the Variable that has a table
// with all of it.
type Command struct {
	Exec     string            `json:"exec,omitempty"`
	Args     []string          `json:"args,omitempty"`
	Env      map[string]string `json:"env,omitempty"`
	Variable string            `json:"variable,omitempty"`
}

// Stop is how a service is stopped; zero fields mean SIGTERM and [StopTimeout].
type Stop struct {
	Signal  string    `json:"signal,omitempty"`
	Timeout *Duration `json:"timeout,omitempty"` // 0: SIGKILL follows at once
}

// Watchdog is what happens to a service that does not say WATCHDOG=1 every
// Interval, or Grace later.
type Watchdog struct {
	Interval Duration `json:"interval"`
	Grace    Duration `json:"grace"`
	Action   string   `json:"action"` // "restart", "stop" or "signal": SIGABRT
}

// Branching makes an instance of a service for each branch of State. Key is the
// branch key that names the instance.
type Branching struct {
	State        Name   `json:"state"`
	Key          string `json:"key"`
	MaxInstances int    `json:"max_instances,omitempty"` // 0: any number
}

// Space is the user that a service belongs to: User, or the one that Field of
// the payload of State names, or else the only one with a session.
type Space struct {
	User      string `json:"user,omitempty"`
	State     Name   `json:"state,omitempty"`
	Field     string `json:"field,omitempty"`
	BranchKey string `json:"branch_key,omitempty"` // that the branches of State and of Branching have in common
}

// Limit is a resource limit. [Infinity] is none.
type Limit struct {
	Soft int64 `json:"soft"`
	Hard int64 `json:"hard"`
}

// Infinity is the value of a resource limit that is none.
const Infinity = -1

// Output is where output goes; the zero Output is the log.
type Output struct {
	To   string `json:"to,omitempty"`   // "inherit", "null" or "file"
	File string `json:"file,omitempty"` // of "file": an absolute path
}

// Lifecycle says whether an access starts the owner.
type Lifecycle string

// Lifecycles.
const (
	Managed Lifecycle = "managed"
	Owned   Lifecycle = "owned"
)

// Socket is one listening socket. Order is its place among the sockets of its
// owner: the descriptor number is 3 + Order.
type Socket struct {
	Name        Name              `json:"name"`
	Type        string            `json:"type"`
	Listen      string            `json:"listen"` // canonical endpoint
	Owner       Name              `json:"owner,omitempty"`
	Order       int               `json:"order,omitempty"`
	Lifecycle   Lifecycle         `json:"lifecycle"`
	Enabled     bool              `json:"enabled"`
	StartOn     *cond.Expr        `json:"start_on,omitempty"`
	StopOn      *cond.Expr        `json:"stop_on,omitempty"`
	Trigger     []Action          `json:"trigger,omitempty"`
	OnStart     []Action          `json:"on_start,omitempty"`
	OnStop      []Action          `json:"on_stop,omitempty"`
	Permissions []uint16          `json:"permissions,omitempty"` // any of; absent: everybody
	ManagedBy   []uint16          `json:"managed_by,omitempty"`
	FDName      string            `json:"fd_name"`
	NonBlocking bool              `json:"non_blocking,omitempty"`
	Options     map[string]string `json:"options,omitempty"` // typed by the transport's schema, in its text form

	Prefer       []string      `json:"prefer,omitempty"` // options that the kernel may refuse
	Accept       bool          `json:"accept,omitempty"` // one process of the owner for each connection
	Stdio        bool          `json:"stdio,omitempty"`  // of Accept: the connection is stdin and stdout
	FlushPending bool          `json:"flush_pending,omitempty"`
	Limits       *SocketLimits `json:"limits,omitempty"`
}

// SocketLimits says how much of a socket may be used; 0 is no limit.
type SocketLimits struct {
	Burst          int      `json:"burst,omitempty"` // accesses in Interval
	Interval       Duration `json:"interval,omitzero"`
	MaxConnections int      `json:"max_connections,omitempty"`
	PerSource      int      `json:"per_source,omitempty"`
	OnLimit        string   `json:"on_limit"` // "pause", "refuse" or "fail"
}

// Duration is a [time.Duration] that the plan spells as text: "1m30s".
type Duration time.Duration

// String returns d as [time.Duration] does.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements [encoding.TextMarshaler].
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("duration %q: want one such as 1m30s", text)
	}
	*d = Duration(v)
	return nil
}

// Timeouts that every service has until its unit says otherwise.
const (
	StopTimeout     = 5 * time.Second
	RestartDelay    = 100 * time.Millisecond
	MaxRestartDelay = 30 * time.Second
	ForgiveAfter    = 60 * time.Second
)
