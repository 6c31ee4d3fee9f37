// Package unit has unit files as written: typed fields with their places, and
// the one table of fields that binds them, suggests names, and documents them.
package unit

import (
	"slices"

	"github.com/rind-sockets/rind/compiler/source"
)

// File is one decoded unit file.
type File struct {
	Source *source.File
	Group  string

	// Misnamed are, sorted, the kinds with a unit whose name could not be read, or can be none, which
	// is reported; with "" there may be units of any kind that were not found.
	Misnamed []string

	Sockets     []*Socket
	Services    []*Service
	States      []*State
	Signals     []*Signal
	Timers      []*Timer
	Permissions []*Permission
	Variables   []*Variable
}

// Len returns how many units the file has.
func (f *File) Len() int {
	return len(f.Sockets) + len(f.Services) + len(f.States) + len(f.Signals) + len(f.Timers) + len(f.Permissions) + len(f.Variables)
}

// Lost are the keys of a broken unit about which an error is reported: their values may
// not be what is meant, or not be set at all. With "" it may be any key. It is nil for a
// sound unit.
type Lost map[string]bool

// Any reports whether the value of one of the keys may be another than it seems.
func (l Lost) Any(keys ...string) bool {
	return l[""] || slices.ContainsFunc(keys, func(key string) bool { return l[key] })
}

// Socket is a [[socket]].
type Socket struct {
	At   source.Place // its header
	Lost Lost         // of which errors are reported: skip checks that would only repeat it

	Name, Type, Listen, Owner, Lifecycle, FDName String
	StartOn, StopOn                              Conditions
	Trigger, OnStart, OnStop                     Triggers
	Permissions, ManagedBy                       PermissionRefs
	Enabled, NonBlocking                         Bool
	Accept, Stdio, FlushPending                  Bool
	Options                                      []Option      // sorted by key
	Limits                                       *SocketLimits // nil: not written
}

// Option is one entry of options = {…}.
type Option struct {
	Key    String // At is the key's place
	Value  Any
	Prefer bool // written { prefer = Value }: the kernel may refuse it
}

// SocketLimits is the field limits of a socket.
type SocketLimits struct {
	Inner
	Trigger                   *Burst // nil: not written
	MaxConnections, PerSource Int
	OnLimit                   String
}

// Burst is how many accesses may run the trigger of a socket in an interval.
type Burst struct {
	Inner
	Burst    Int
	Interval Duration
}

// Service is a [[service]].
type Service struct {
	At   source.Place
	Lost Lost

	Name, User, Group, WorkingDir String
	Umask, EnvFile, Ready         String
	Run                           []Run
	Env                           []EnvVar // of every process; what a process sets itself wins, see Run.Env
	StartOn, StopOn               Conditions
	OnStart, OnStop               Triggers
	After, Capabilities           List
	Restart                       Restart
	NoNewPrivileges, Singleton    Bool
	ManagedBy                     PermissionRefs

	// Tables that few services have; nil when they are not written.
	Limits         *ResourceLimits
	Space          *Space
	UserSource     *UserSource
	Stop           *Stop
	Watchdog       *Watchdog
	Branching      *Branching
	Stdout, Stderr *Output
}

// Run is one process of a service: Exec, or the Variable that has all of it.
type Run struct {
	At       source.Place
	Exec     String
	Args     List
	Env      []EnvVar // sorted by name, with those of the service
	Variable String
}

// EnvVar is one environment variable.
type EnvVar struct {
	Name  String // At is the key's place
	Value String
}

// Restart is the restart field of a service: a bool or a table.
type Restart struct {
	At         source.Place
	Always     bool
	MaxRetries Int

	Backoff, MaxBackoff, ResetAfter Duration
}

// ResourceLimits is the field limits of a service, in the order of [Resources].
type ResourceLimits struct {
	Inner
	Limits [len(Resources)]ResourceLimit
}

// ResourceLimit is one resource limit.
type ResourceLimit struct {
	At         source.Place
	Soft, Hard Int // [Infinity] for none
}

// Set reports whether the key was written.
func (l ResourceLimit) Set() bool { return !l.At.IsZero() }

// Space is the field space of a service: "system", "user", or { user = NAME }.
type Space struct {
	Choice
	User String
}

// UserSource is where the name of the user comes from that a service runs as.
type UserSource struct {
	Inner
	State, Field, BranchKey String
}

// Stop is how a service is stopped.
type Stop struct {
	Inner
	Signal  String
	Timeout Duration
}

// Watchdog is what to do with a service that falls silent.
type Watchdog struct {
	Inner
	Interval, Grace Duration
	Action          String
}

// Branching makes an instance of a service for each branch of a state.
type Branching struct {
	Inner
	State, Key   String
	MaxInstances Int
	Enabled      Bool
}

// Output is where the output of a service goes: a word, or { file = PATH }.
type Output struct {
	Choice
	File String
}

// State is a [[state]].
type State struct {
	At   source.Place
	Lost Lost

	Name, Payload  String
	Branch         List
	Impermanent    Bool
	After          Conditions
	ActivateOnNone Absences
	AutoPayload    *AutoPayload // nil: not written
	Permissions    PermissionRefs
}

// Absences is the field activate-on-none of a state.
type Absences struct {
	Items []Absence
	At    source.Place
}

// Set reports whether the key was written.
func (a Absences) Set() bool { return !a.At.IsZero() }

// Absence is a state that must not be set, or have no branch with the same value
// at Branch as the state that lists it.
type Absence struct {
	At           source.Place
	Name, Branch String
}

// AutoPayload makes the payload of a state: a command does, or a variable has it.
type AutoPayload struct {
	Inner
	Eval, Variable String
	Args, Insert   List
	Many           Bool
	Timeout        Duration
}

// Signal is a [[signal]].
type Signal struct {
	At   source.Place
	Lost Lost

	Name, Payload String
	Branch        List
	After         Conditions
	Permissions   PermissionRefs
}

// Timer is a [[timer]].
type Timer struct {
	At   source.Place
	Lost Lost

	Name     String
	Duration Duration
	After    List
	Repeat   Bool
	Finish   Triggers
}

// Variable is a [[variable]]. Its name is global.
type Variable struct {
	At   source.Place
	Lost Lost

	Name    String
	Default Any
	Env     String
}

// Permission is a [[permission]].
type Permission struct {
	At   source.Place
	Lost Lost

	Name          String
	ID            Int
	Links         PermissionRefs
	Users, Groups List
	Group         String
}

// PermissionRef names a permission, or is its id when ID is set.
type PermissionRef struct {
	Name String
	ID   Int
	At   source.Place
}

// PermissionRefs is a list of permissions.
type PermissionRefs struct {
	Items []PermissionRef
	At    source.Place
}

// Set reports whether the key was written.
func (p PermissionRefs) Set() bool { return !p.At.IsZero() }

// Conditions is a list of conditions.
type Conditions struct {
	Items []Condition
	At    source.Place
}

// Set reports whether the key was written.
func (c Conditions) Set() bool { return !c.At.IsZero() }

// Condition is one condition as written: Bare, or a table. The compiler checks
// that exactly one of its keys State, Signal, All, Any and Not is set.
type Condition struct {
	At             source.Place
	Bare           String
	State, Signal  String
	Target, Branch Test
	All, Any       Conditions
	Not            *Condition

	Broken bool // an error is reported inside: it is no condition then
}

// Test is the value of target or branch: a string, or a table with exactly one
// of binary, contains, as.
type Test struct {
	At       source.Place
	Equal    String
	Binary   Bool
	Contains String
	As       Any
}

// Set reports whether the key was written.
func (t Test) Set() bool { return !t.At.IsZero() }

// Triggers is a list of trigger objects.
type Triggers struct {
	Items []Trigger
	At    source.Place
}

// Set reports whether the key was written.
func (t Triggers) Set() bool { return !t.At.IsZero() }

// Trigger is one trigger object as written; compiler/action decides which of
// its keys make sense together.
type Trigger struct {
	At source.Place

	Script, Exec, State, Signal, Service, Timer, Socket String
	Args                                                List
	Payload                                             Any
	Stop, Remove                                        Bool
	Branch                                              Test // filter of remove

	Broken bool // an error is reported inside: what is missing is no further mistake
}
