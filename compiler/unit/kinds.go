package unit

import (
	"github.com/rind-sockets/rind/grammar"
)

// Kinds lists every kind of unit (SPEC §2 rule 2).
var Kinds = []Kind{
	{
		Table: Table{Name: "socket", Doc: "a listening socket", Fields: socketFields},
		Begin: collect(
			func(f *File) *[]Socket { return &f.Sockets },
			func(s *Socket) common { return common{at: &s.At, broken: &s.Broken, name: &s.Name} },
		),
	},
	{
		Table: Table{Name: "service", Doc: "a program, or several that run together", Fields: serviceFields},
		Begin: collect(
			func(f *File) *[]Service { return &f.Services },
			func(s *Service) common {
				return common{at: &s.At, broken: &s.Broken, name: &s.Name, finish: s.shareEnv}
			},
		),
	},
	{
		Table: Table{Name: "state", Doc: "a long-lived, typed fact", Fields: stateFields},
		Newer: "facet",
		Begin: collect(
			func(f *File) *[]State { return &f.States },
			func(s *State) common { return common{at: &s.At, broken: &s.Broken, name: &s.Name} },
		),
	},
	{
		Table: Table{Name: "signal", Doc: "a one-shot, typed event", Fields: signalFields},
		Newer: "impulse",
		Begin: collect(
			func(f *File) *[]Signal { return &f.Signals },
			func(s *Signal) common { return common{at: &s.At, broken: &s.Broken, name: &s.Name} },
		),
	},
	{
		Table: Table{Name: "permission", Doc: "who may do something", Fields: permissionFields},
		Begin: collect(
			func(f *File) *[]Permission { return &f.Permissions },
			func(p *Permission) common { return common{at: &p.At, broken: &p.Broken, name: &p.Name} },
		),
	},
	{Table: Table{Name: "timer", Doc: "something that happens after a while"}, Support: Planned},
	{Table: Table{Name: "variable", Doc: "a value that the environment may override"}, Support: Planned},
	{Table: Table{Name: "mount", Doc: "a mounted file system"}, Support: Foreign},
	{Table: Table{Name: "network", Doc: "a network interface"}, Support: Foreign},
	{Table: Table{Name: "transport-route", Doc: "a route between transports"}, Support: Foreign},
}

var payloads = []string{"json", "string", "bytes", "none"}

var socketFields = []Field{
	{
		Key: "name", Type: TypeString, Required: true, Check: grammar.CheckName, Into: into(func(s *Socket) *String { return &s.Name }),
		Doc: "the name, unique among the sockets of the group",
	},
	{
		Key: "type", Type: TypeString, Required: true, Into: into(func(s *Socket) *String { return &s.Type }),
		Doc: "the transport: `tcp`, `udp`, `uds`, or the name of a transport plugin",
	},
	{
		Key: "listen", Type: TypeString, Required: true, Into: into(func(s *Socket) *String { return &s.Listen }),
		Doc: "the endpoint, such as `127.0.0.1:8081` or `/run/web.sock`",
	},
	{
		Key: "owner", Type: TypeString, Into: into(func(s *Socket) *String { return &s.Owner }),
		Doc: "the service that inherits the descriptor",
	},
	{
		Key: "lifecycle", Type: TypeString, Default: `"managed"`, Values: []string{"managed", "owned"}, Into: into(func(s *Socket) *String { return &s.Lifecycle }),
		Doc: "`owned`: an access starts the owner",
	},
	{
		Key: "start-on", Type: TypeConditions, Into: into(func(s *Socket) *Conditions { return &s.StartOn }),
		Doc: "start when any of these conditions matches",
	},
	{
		Key: "stop-on", Type: TypeConditions, Into: into(func(s *Socket) *Conditions { return &s.StopOn }),
		Doc: "stop when any of these conditions matches",
	},
	{
		Key: "enabled", Type: TypeBool, Default: "true", Into: into(func(s *Socket) *Bool { return &s.Enabled }),
		Doc: "without `start-on`: start when the plan starts",
	},
	{
		Key: "trigger", Type: TypeTriggers, Into: into(func(s *Socket) *Triggers { return &s.Trigger }),
		Doc: "run on access",
	},
	{
		Key: "on-start", Type: TypeTriggers, Into: into(func(s *Socket) *Triggers { return &s.OnStart }),
		Doc: "run once the listener is open",
	},
	{
		Key: "on-stop", Type: TypeTriggers, Into: into(func(s *Socket) *Triggers { return &s.OnStop }),
		Doc: "run once the listener is closed",
	},
	{
		Key: "permissions", Type: TypePermissions, Into: into(func(s *Socket) *PermissionRefs { return &s.Permissions }),
		Doc: "who may access the socket: any of these",
	},
	{
		Key: "managed-by", Type: TypePermissions, Into: into(func(s *Socket) *PermissionRefs { return &s.ManagedBy }),
		Doc: "who may start and stop the socket over the control interface",
	},
	{
		Key: "fd-name", Type: TypeString, Default: "the name", Into: into(func(s *Socket) *String { return &s.FDName }),
		Doc: "the name in LISTEN_FDNAMES",
	},
	{
		Key: "options", Type: TypeOptions, Into: into(func(s *Socket) *[]Option { return &s.Options }),
		Doc: "options of the transport",
	},
	{
		Key: "non-blocking", Type: TypeBool, Default: "false", Into: into(func(s *Socket) *Bool { return &s.NonBlocking }),
		Doc: "set O_NONBLOCK on the descriptor that the owner gets",
	},
	{Key: "accept", Type: TypeBool, Planned: true, Doc: "one owner process for each connection"},
	{Key: "stdio", Type: TypeBool, Planned: true, Doc: "with `accept`: the connection is standard input and output"},
	{Key: "limits", Type: TypeTable, Planned: true, Doc: "limits of accesses and connections"},
	{Key: "flush-pending", Type: TypeBool, Planned: true, Doc: "throw away what waits when the owner exits"},
}

var serviceFields = []Field{
	{
		Key: "name", Type: TypeString, Required: true, Check: grammar.CheckName, Into: into(func(s *Service) *String { return &s.Name }),
		Doc: "the name, unique among the services of the group",
	},
	{
		Key: "run", Type: TypeRun, Required: true, NonEmpty: true, Into: into(func(s *Service) *[]Run { return &s.Run }),
		Doc: "the program, usually written `run.exec` and `run.args`",
	},
	{
		Key: "start-on", Type: TypeConditions, Into: into(func(s *Service) *Conditions { return &s.StartOn }),
		Doc: "start when all of these conditions match",
	},
	{
		Key: "stop-on", Type: TypeConditions, Into: into(func(s *Service) *Conditions { return &s.StopOn }),
		Doc: "stop when any of these conditions matches",
	},
	{
		Key: "on-start", Type: TypeTriggers, Into: into(func(s *Service) *Triggers { return &s.OnStart }),
		Doc: "run once the service is active",
	},
	{
		Key: "on-stop", Type: TypeTriggers, Into: into(func(s *Service) *Triggers { return &s.OnStop }),
		Doc: "run once the service is gone",
	},
	{
		Key: "restart", Type: TypeRestart, Default: "false", Into: into(func(s *Service) *Restart { return &s.Restart }),
		Doc: "`true`: always; `{ max_retries = N }`: after a failure, N times",
	},
	{
		Key: "env", Type: TypeEnv, Into: into(func(s *Service) *[]EnvVar { return &s.Env }),
		Doc: "environment variables of every process; those in `run.env` win",
	},
	{
		Key: "working-dir", Type: TypeString, Into: into(func(s *Service) *String { return &s.WorkingDir }),
		Doc: "the working directory",
	},
	{
		Key: "user", Type: TypeString, Into: into(func(s *Service) *String { return &s.User }),
		Doc: "the user to run as, by name or id",
	},
	{
		Key: "group", Type: TypeString, Into: into(func(s *Service) *String { return &s.Group }),
		Doc: "the group to run as, by name or id",
	},
	{Key: "after", Type: TypeList, Planned: true, Doc: "services that must be active first"},
	{Key: "umask", Type: TypeString, Planned: true, Doc: "the file mode creation mask"},
	{Key: "env-file", Type: TypeString, Planned: true, Doc: "a file of environment variables"},
	{Key: "limits", Type: TypeTable, Planned: true, Doc: "resource limits"},
	{Key: "no-new-privileges", Type: TypeBool, Planned: true, Doc: "execve grants nothing"},
	{Key: "capabilities", Type: TypeList, Planned: true, Doc: "the capabilities to keep"},
	{Key: "space", Type: TypeTable, Planned: true, Doc: "system, or the space of a user"},
	{Key: "user-source", Type: TypeTable, Planned: true, Doc: "the state and the field that name the user"},
	{Key: "ready", Type: TypeString, Planned: true, Doc: "what makes the service active"},
	{Key: "stop", Type: TypeTable, Planned: true, Doc: "the signal that stops, and the time until SIGKILL"},
	{Key: "watchdog", Type: TypeTable, Planned: true, Doc: "what to do with a service that falls silent"},
	{Key: "singleton", Type: TypeBool, Planned: true, Doc: "only one instance at a time"},
	{Key: "branching", Type: TypeTable, Planned: true, Doc: "one instance for each branch of a state"},
	{Key: "managed-by", Type: TypePermissions, Planned: true, Doc: "who may start and stop the service"},
	{Key: "stdout", Type: TypeTable, Planned: true, Doc: "where standard output goes"},
	{Key: "stderr", Type: TypeTable, Planned: true, Doc: "where standard error goes"},
}

var stateFields = []Field{
	{
		Key: "name", Type: TypeString, Required: true, Check: grammar.CheckName, Into: into(func(s *State) *String { return &s.Name }),
		Doc: "the name, unique among the states of the group",
	},
	{
		Key: "payload", Type: TypeString, Required: true, Values: payloads, Into: into(func(s *State) *String { return &s.Payload }),
		Doc: "the type of the payload",
	},
	{
		Key: "branch", Type: TypeList, Into: into(func(s *State) *List { return &s.Branch }),
		Doc: "the keys of a json payload that tell branches apart, `target` or `target:source`",
	},
	{
		Key: "impermanent", Type: TypeBool, Default: "false", Into: into(func(s *State) *Bool { return &s.Impermanent }),
		Doc: "the state does not survive a restart",
	},
	{Key: "after", Type: TypeConditions, Planned: true, Doc: "set while all of these conditions hold"},
	{Key: "activate-on-none", Type: TypeList, Planned: true, Doc: "set while none of these states is"},
	{Key: "auto-payload", Type: TypeTable, Planned: true, Doc: "a command that makes the payload"},
	{Key: "permissions", Type: TypePermissions, Planned: true, Doc: "who may set the state"},
}

var signalFields = []Field{
	{
		Key: "name", Type: TypeString, Required: true, Check: grammar.CheckName, Into: into(func(s *Signal) *String { return &s.Name }),
		Doc: "the name, unique among the signals of the group",
	},
	{
		Key: "payload", Type: TypeString, Required: true, Values: payloads, Into: into(func(s *Signal) *String { return &s.Payload }),
		Doc: "the type of the payload",
	},
	{Key: "after", Type: TypeConditions, Planned: true, Doc: "emitted when all of these conditions match"},
	{Key: "branch", Type: TypeList, Planned: true, Doc: "the keys of the payload that tell branches apart"},
	{Key: "permissions", Type: TypePermissions, Planned: true, Doc: "who may emit the signal"},
}

var permissionFields = []Field{
	{
		Key: "name", Type: TypeString, Required: true, Check: grammar.CheckName, Into: into(func(p *Permission) *String { return &p.Name }),
		Doc: "the name, unique among the permissions of the group",
	},
	{
		Key: "id", Type: TypeInt, Required: true, Into: into(func(p *Permission) *Int { return &p.ID }),
		Doc: "the id, from 1 to 65535",
	},
	{
		Key: "links", Type: TypePermissions, Into: into(func(p *Permission) *PermissionRefs { return &p.Links }),
		Doc: "holding one of these permissions implies this one",
	},
	{
		Key: "users", Type: TypeList, Into: into(func(p *Permission) *List { return &p.Users }),
		Doc: "the users that hold it, by name or id",
	},
	{
		Key: "groups", Type: TypeList, Into: into(func(p *Permission) *List { return &p.Groups }),
		Doc: "the groups whose members hold it, by name or id",
	},
	{
		Key: "group", Type: TypeString, Into: into(func(p *Permission) *String { return &p.Group }),
		Doc: "one more group, as in older unit files",
	},
}
