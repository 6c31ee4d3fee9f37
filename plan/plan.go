// Package plan has the compiled plan: the only thing that passes from rindc to
// rindrun. It is plain data with a canonical encoding, a digest, validation and
// nothing else; every address in it is full, every condition a typed tree.
package plan

import (
	"time"

	"github.com/rind-sockets/rind/plan/cond"
)

// Format is what the first key of every plan says.
const Format = "rind.plan"

// Version is the major version of the plan format. A program refuses a plan of
// another major version; a minor version only adds.
const (
	Version = 1
	Minor   = 0
)

// Name is the full address of a definition: group@name.
type Name string

// Plan is one compiled set of unit files. Its lists are sorted by name, except
// Sources, which are sorted by file.
type Plan struct {
	Compiler string // name and version of the compiler
	Digest   string // "sha256:" and the hex digest of the canonical encoding
	Requires []string

	Sources     []Source
	Transports  []Transport
	Permissions []Permission
	States      []State
	Signals     []Signal
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
	Version  string `json:"version"`
	Manifest string `json:"manifest"`           // "sha256:" and hex, of the manifest that options were checked against
	Checksum string `json:"checksum,omitempty"` // of the executable; empty for the transports of this release
}

// Permission is one named permission.
type Permission struct {
	Name   Name     `json:"name"`
	ID     uint16   `json:"id"`
	Links  []uint16 `json:"links,omitempty"` // holding one of these implies this one
	Users  []string `json:"users,omitempty"`
	Groups []string `json:"groups,omitempty"`
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
}

// Restart is what happens when a service exits by itself.
type Restart struct {
	Always     bool `json:"always,omitempty"`
	MaxRetries int  `json:"max_retries,omitempty"` // only on failure; 0: never
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
}

// Command is one process of a service.
type Command struct {
	Exec string            `json:"exec"`
	Args []string          `json:"args,omitempty"`
	Env  map[string]string `json:"env,omitempty"`
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
}

// Timeouts that every service has until its unit says otherwise.
const (
	StopTimeout  = 5 * time.Second
	RestartDelay = 100 * time.Millisecond
)
