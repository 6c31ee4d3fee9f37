// Package unit has unit files as written: typed fields with their places, and
// the one table of fields that binds them, suggests names, and documents them.
package unit

import "github.com/rind-sockets/rind/compiler/source"

// String is a string as written. An absent key leaves the zero String, whose
// place is zero.
type String struct {
	Value string
	At    source.Place
}

// Set reports whether the key was written.
func (s String) Set() bool { return !s.At.IsZero() }

// Bool is a boolean as written.
type Bool struct {
	Value bool
	At    source.Place
}

// Set reports whether the key was written.
func (b Bool) Set() bool { return !b.At.IsZero() }

// Int is an integer as written.
type Int struct {
	Value int64
	At    source.Place
}

// Set reports whether the key was written.
func (i Int) Set() bool { return !i.At.IsZero() }

// Any is a value of any TOML type, as the decoder gives it: string, int64,
// float64, bool, time.Time, []any or map[string]any.
type Any struct {
	Value any
	At    source.Place
}

// Set reports whether the key was written.
func (a Any) Set() bool { return !a.At.IsZero() }

// List is an array of strings. At is the array; a set but empty list counts.
type List struct {
	Items []String
	At    source.Place
}

// Set reports whether the key was written.
func (l List) Set() bool { return !l.At.IsZero() }

// File is one decoded unit file.
type File struct {
	Source *source.File
	Group  string

	Sockets     []Socket
	Services    []Service
	States      []State
	Signals     []Signal
	Permissions []Permission
}

// Socket is a [[socket]].
type Socket struct {
	At     source.Place // its header
	Broken bool         // an error was reported inside: skip checks that would only repeat it

	Name, Type, Listen, Owner, Lifecycle, FDName String
	StartOn, StopOn                              Conditions
	Trigger, OnStart, OnStop                     Triggers
	Permissions, ManagedBy                       PermissionRefs
	Enabled, NonBlocking                         Bool
	Options                                      []Option // sorted by key
}

// Option is one entry of options = {…}.
type Option struct {
	Key   String // At is the key's place
	Value Any
}

// Service is a [[service]].
type Service struct {
	At     source.Place
	Broken bool

	Name, User, Group, WorkingDir String
	Run                           []Run
	Env                           []EnvVar // of every process; what a process sets itself wins, see Run.Env
	StartOn, StopOn               Conditions
	OnStart, OnStop               Triggers
	Restart                       Restart
}

// Run is one process of a service.
type Run struct {
	At   source.Place
	Exec String
	Args List
	Env  []EnvVar // sorted by name, with those of the service
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
}

// State is a [[state]].
type State struct {
	At     source.Place
	Broken bool

	Name, Payload String
	Branch        List
	Impermanent   Bool
}

// Signal is a [[signal]].
type Signal struct {
	At     source.Place
	Broken bool

	Name, Payload String
}

// Permission is a [[permission]].
type Permission struct {
	At     source.Place
	Broken bool

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

// Condition is one condition as written: Bare, or State and/or Signal with the
// tests. The compiler checks that exactly one of the three names is set.
type Condition struct {
	At             source.Place
	Bare           String
	State, Signal  String
	Target, Branch Test
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
}
